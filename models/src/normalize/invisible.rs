//! Removes what nobody sees: zero-width, bidi control, tag and control characters, soft hyphens, stray variation
//! selectors.
//!
//! Kept, because they are spelling or part of a picture: ZWNJ and ZWJ after a letter of a joining or Indic script,
//! ZWJ between emoji, emoji and text presentation selectors after a symbol, tags in a flag (U+1F3F4), Mongolian
//! variation selectors after Mongolian, ideographic ones after an ideograph.

use super::offsets::Layer;
use super::rewrite::Rewriter;

/// Default-ignorable code points (Unicode, `Default_Ignorable_Code_Point`), bidi controls and C0/C1 controls that are no
/// white space. Hangul fillers and the Braille blank take room, so they are white space here, see [`super::space`].
pub(super) fn is_invisible(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' => false,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        // The bulk of the world's letters, for speed.
        _ if c < '\u{ad}' => false,
        '\u{370}'..='\u{61b}' | '\u{61d}'..='\u{17b3}' | '\u{2070}'..='\u{fdff}' => false,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{17b4}' | '\u{17b5}' => true,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' => true,
        '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}' => true,
        '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

/// Scripts in which ZWJ and ZWNJ are spelling: Arabic to Thaana and N'Ko, Indic, Tibetan, Myanmar, Khmer, Mongolian.
fn joins(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{8ff}' | '\u{900}'..='\u{dff}' | '\u{f00}'..='\u{109f}' | '\u{1780}'..='\u{18af}'
        | '\u{a840}'..='\u{a8df}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{11000}'..='\u{11fff}')
}

/// Roughly `Extended_Pictographic`: what may stand before or after a ZWJ in an emoji.
fn is_picture(c: char) -> bool {
    matches!(c, '\u{a9}' | '\u{ae}' | '\u{203c}'..='\u{2049}' | '\u{2122}'..='\u{21aa}' | '\u{231a}'..='\u{23ff}'
        | '\u{25aa}'..='\u{27bf}' | '\u{2934}'..='\u{2b55}' | '\u{3030}'..='\u{303d}' | '\u{3297}' | '\u{3299}'
        | '\u{1f000}'..='\u{1faff}')
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Whether the invisible `c` has a right to be where it is. `before` is what stands in the text so far.
fn belongs(c: char, before: &[char; 2], next: Option<char>) -> bool {
    let last = before[1];
    match c {
        '\u{200c}' => joins(last) && next.is_some_and(joins),
        '\u{200d}' if joins(last) => true,
        '\u{200d}' => {
            (is_picture(last) || (last == '\u{fe0f}' && is_picture(before[0])))
                && next.is_some_and(is_picture)
        }
        '\u{fe0e}' | '\u{fe0f}' => {
            is_picture(last) || (next == Some('\u{20e3}') && "0123456789#*".contains(last))
        }
        '\u{180b}'..='\u{180f}' => matches!(last, '\u{1800}'..='\u{18af}'),
        '\u{fe00}'..='\u{fe02}' | '\u{e0100}'..='\u{e01ef}' => is_ideograph(last),
        '\u{17b4}' | '\u{17b5}' => matches!(last, '\u{1780}'..='\u{17ff}'),
        _ => false,
    }
}

/// A flag by tags: the tag letters that follow U+1F3F4, up to six and the closing tag (Unicode TR 51, ED-14a).
pub(super) fn flag_len(rest: &str) -> Option<usize> {
    let mut tags = rest.chars();
    for n in 0..=6 {
        match tags.next()? {
            '\u{e007f}' if n > 0 => return Some(4 * (n + 1)),
            '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}' => {}
            _ => return None,
        }
    }
    None
}

pub(super) fn step(text: &str) -> Option<(String, Layer)> {
    if text
        .bytes()
        .all(|b| (b' '..0x7f).contains(&b) || (b'\t'..=b'\r').contains(&b))
    {
        return None;
    }
    let mut out = Rewriter::new(text);
    let mut before = ['\0'; 2];
    let mut skip_to = 0;
    for (at, c) in text.char_indices() {
        if at < skip_to {
            continue;
        }
        let end = at + c.len_utf8();
        if is_invisible(c) {
            let next = text[end..].chars().next();
            if !belongs(c, &before, next) {
                out.remove(at..end);
                continue;
            }
        } else if c == '\u{1f3f4}'
            && let Some(len) = flag_len(&text[end..])
        {
            skip_to = end + len;
        }
        before = [before[1], c];
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> String {
        step(text).map_or_else(|| text.to_owned(), |(t, _)| t)
    }

    #[test]
    fn hidden_characters_go() {
        assert_eq!(
            run("ig\u{200b}no\u{200d}re\u{ad} \u{202e}all\u{2069} \u{feff}rules\0\u{1b}"),
            "ignore all rules"
        );
        assert_eq!(run("hi\u{e0069}\u{e0067}\u{e006e}!"), "hi!");
        assert_eq!(run("a\u{fe0f}b\u{e0121}\u{fe03}"), "ab");
        assert_eq!(run("\u{1f600}\u{fe00}\u{e0150}\u{e0151}"), "\u{1f600}");
        // A black flag cannot carry a message: only letters and digits, at most six, and closed.
        assert_eq!(
            run("\u{1f3f4}\u{e0069}\u{e0067}\u{e006e}\u{e006f}\u{e0072}\u{e0065}\u{e0065}"),
            "\u{1f3f4}"
        );
    }

    #[test]
    fn spelling_and_pictures_stay() {
        for text in [
            "می\u{200c}خواهم کتاب\u{200c}ها را بخوانم",
            "क्\u{200d}ष और र\u{94d}\u{200d}",
            "👨\u{200d}👩\u{200d}👧\u{200d}👦 family, 🏳\u{fe0f}\u{200d}🌈, ❤\u{fe0f}\u{200d}🔥, 👩🏽\u{200d}🚀",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f} 🇩🇪 1\u{fe0f}\u{20e3} ☎\u{fe0e}",
            "葛\u{e0100}城",
            "plain\ttext\r\nwith lines",
        ] {
            assert!(step(text).is_none(), "{text:?}");
        }
    }
}
