//! The line of a mistake, made fit to be printed: one line, bounded, without secrets or control characters.

use super::tree::Span;

/// Characters of a line that are shown; a longer one is cut around the mistake.
const WIDTH: usize = 120;

/// In place of a secret, whatever its length.
const MASK: &str = "***";

/// A line and what to underline in it, both in characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snippet {
    pub(super) line: String,
    pub(super) indent: usize,
    pub(super) width: usize,
}

/// The lines of a text as YAML counts them: ended by `\n`, `\r\n` or `\r`. At least one.
pub(super) fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(['\n', '\r']) {
        lines.push(&rest[..end]);
        let width = if rest[end..].starts_with("\r\n") {
            2
        } else {
            1
        };
        rest = &rest[end + width..];
    }
    lines.push(rest);
    lines
}

/// Shows the first line of `span`. `masks` are places of which nothing may be seen.
pub(super) fn snippet(line: &str, span: Span, masks: &[Span]) -> Snippet {
    let number = span.start.line;
    let mut hidden = vec![false; line.chars().count()];
    for mask in masks {
        let from = match mask.start.line {
            first if first == number => mask.start.column - 1,
            first if first < number => 0,
            _ => continue,
        };
        let to = match mask.end.line {
            last if last == number => mask.end.column - 1,
            last if last > number => hidden.len(),
            _ => continue,
        };
        let to = to.min(hidden.len());
        hidden[from.min(to)..to].fill(true);
    }
    hide_by_key(line, &mut hidden);

    let start = span.start.column - 1;
    let end = if span.end.line == number {
        span.end.column - 1
    } else {
        hidden.len()
    };
    let mut shown = Vec::new();
    let (mut from, mut to) = (None, None);
    for (at, c) in line.chars().enumerate() {
        if at >= start {
            from.get_or_insert(shown.len());
        }
        if at >= end {
            to.get_or_insert(shown.len());
        }
        if !hidden[at] {
            shown.push(printable(c));
        } else if at == 0 || !hidden[at - 1] {
            shown.extend(MASK.chars());
        }
    }
    let from = from.unwrap_or(shown.len());
    let to = to.unwrap_or(shown.len()).max(from);
    cut(&shown, from, to)
}

/// No terminal tricks: control characters and those that turn the direction of writing are replaced.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

fn cut(shown: &[char], from: usize, to: usize) -> Snippet {
    let left = if shown.len() <= WIDTH {
        0
    } else {
        from.saturating_sub(WIDTH / 3)
    };
    let right = (left + WIDTH).min(shown.len());
    let mut line = String::new();
    if left > 0 {
        line.push('…');
    }
    line.extend(&shown[left..right]);
    if right < shown.len() {
        line.push('…');
    }
    Snippet {
        line: line.trim_end().to_owned(),
        indent: from - left + usize::from(left > 0),
        width: to.min(right).saturating_sub(from).max(1),
    }
}

/// Ends of names that hold credentials. A secret under a misspelt key, or in a file that is no YAML, is not
/// known to be one.
const SECRET_NAMES: [&str; 9] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "api_key",
    "apikey",
    "private_key",
    "credentials",
];

/// Hides what follows `password:` and its like, unless it is a reference.
fn hide_by_key(line: &str, hidden: &mut [bool]) {
    let chars: Vec<char> = line.chars().collect();
    let mut word = String::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if c.is_alphanumeric() || c == '_' || c == '-' {
            word.push(if c == '-' {
                '_'
            } else {
                c.to_ascii_lowercase()
            });
        } else if c == ':' && SECRET_NAMES.iter().any(|name| word.ends_with(name)) {
            at = hide_value(&chars, at + 1, hidden);
            word.clear();
        } else if !(matches!(c, '"' | '\'') || c == ' ' && chars.get(at + 1) == Some(&':')) {
            word.clear();
        }
        at += 1;
    }
}

/// Hides the value that begins after `from` and returns its end.
fn hide_value(chars: &[char], from: usize, hidden: &mut [bool]) -> usize {
    let mut start = from;
    while start < chars.len() && chars[start].is_whitespace() {
        start += 1;
    }
    let rest: String = chars[start..].iter().collect();
    let bare = rest.trim_start_matches(['"', '\'']);
    if bare.starts_with("${") || bare.starts_with("file:") || bare.starts_with(['#', '{', '[', '|'])
    {
        return from;
    }
    let mut end = chars.len();
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        if let Some(close) = (start + 1..chars.len()).find(|&at| chars[at] == quote) {
            end = close + 1;
        }
    } else if let Some(stop) = (start..chars.len()).find(|&at| {
        let next = chars.get(at + 1);
        (matches!(chars[at], ',' | '}') && next.is_none_or(|c| c.is_whitespace()))
            || (chars[at] == ' ' && next == Some(&'#'))
    }) {
        end = stop;
    }
    hidden[start..end].fill(true);
    end
}
