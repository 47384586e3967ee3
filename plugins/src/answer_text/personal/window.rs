//! How much text is held back, and when it is looked at. Depends on the text alone, never on how it was cut.

use super::super::stop_list::floor;

/// About this many bytes make a token.
const TOKEN: usize = 4;

/// How much text is held back, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// A look is taken when this much has come.
    window: usize,
}

impl Hold {
    /// About `tokens` tokens, 8 at least.
    #[must_use]
    pub fn tokens(tokens: usize) -> Self {
        Self {
            window: tokens.clamp(8, 4096) * TOKEN,
        }
    }

    /// The same in bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        self.window
    }

    /// What stays held back after a look: longer than pieces usually are.
    fn tail(self) -> usize {
        self.window * 3 / 8
    }

    /// What a look also sees of the text that has passed.
    fn context(self) -> usize {
        self.window / 4
    }

    /// So much that something passes even where nothing should be cut.
    fn most(self) -> usize {
        self.window * 4
    }
}

/// The next look: at the first `end` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) end: usize,
    /// At the end of a line or sentence: all of it may pass.
    pub(super) early: bool,
}

/// Text that is held back, and the end of what has passed.
#[derive(Debug)]
pub(super) struct Pending {
    hold: Hold,
    /// Is it prose, whose lines and sentences end?
    prose: bool,
    context: String,
    held: String,
    /// The next look is taken when this much is held.
    trigger: usize,
    /// No line or sentence ends up to here.
    scanned: usize,
}

impl Pending {
    pub(super) fn new(hold: Hold, prose: bool) -> Self {
        Self {
            hold,
            prose,
            context: String::new(),
            held: String::new(),
            trigger: hold.window,
            scanned: 0,
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.held.push_str(text);
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn held(&self, end: usize) -> &str {
        &self.held[..end]
    }

    /// What a look at the first `end` bytes sees, and how much of it has passed.
    pub(super) fn text(&self, end: usize) -> (String, usize) {
        ([&self.context, self.held(end)].concat(), self.context.len())
    }

    /// The next look that is due.
    pub(super) fn next(&mut self) -> Option<Next> {
        if let Some(end) = self.sentence() {
            return Some(Next { end, early: true });
        }
        (self.held.len() >= self.trigger).then(|| Next {
            end: floor(&self.held, self.trigger),
            early: false,
        })
    }

    /// The end of the next line or sentence before the next look.
    fn sentence(&mut self) -> Option<usize> {
        if !self.prose {
            return None;
        }
        let limit = self.trigger.min(self.held.len());
        let mut before = self.held[..self.scanned].chars().next_back();
        let from = self.scanned;
        for (at, c) in self.held[from..].char_indices() {
            let end = from + at + c.len_utf8();
            if end >= limit {
                break;
            }
            let ends = match c {
                '\n' | '\u{3002}' | '\u{ff01}' | '\u{ff1f}' => true,
                c if c.is_whitespace() => matches!(before, Some('.' | '!' | '?')),
                _ => false,
            };
            before = Some(c);
            self.scanned = end;
            if ends && end >= self.hold.context() && is_quiet(&self.held[..end]) {
                return Some(end);
            }
        }
        None
    }

    /// Where text may be cut so that enough stays held back: between words.
    pub(super) fn cut(&self, end: usize) -> usize {
        let most = floor(&self.held, end.saturating_sub(self.hold.tail()));
        let text = &self.held[..most];
        let mut behind = self.held[most..].chars().next();
        for (at, c) in text.char_indices().rev() {
            if !(is_wordish(c) && behind.is_some_and(is_wordish)) {
                return at + c.len_utf8();
            }
            behind = Some(c);
        }
        0
    }

    /// Has a look at so much been taken that something must pass?
    pub(super) fn is_full(&self, end: usize) -> bool {
        end >= self.hold.most()
    }

    /// What must pass then.
    pub(super) fn forced(&self, end: usize) -> usize {
        floor(&self.held, end - self.hold.tail())
    }

    /// Lets the first `cut` bytes go.
    pub(super) fn take(&mut self, cut: usize) -> String {
        let rest = self.held.split_off(cut);
        let taken = std::mem::replace(&mut self.held, rest);
        self.context.push_str(&taken);
        let excess = self.context.len().saturating_sub(self.hold.context());
        let mut from = excess;
        while !self.context.is_char_boundary(from) {
            from += 1;
        }
        self.context.drain(..from);
        taken
    }

    pub(super) fn take_all(&mut self) -> String {
        self.take(self.held.len())
    }

    /// A look at the first `end` bytes let `cut` of them pass.
    pub(super) fn looked(&mut self, cut: usize, end: usize, early: bool) {
        if cut > 0 {
            self.trigger = self.hold.window;
            self.scanned = 0;
        } else {
            self.scanned = end;
            if !early {
                self.trigger = end + self.hold.window / 2;
            }
        }
    }

    /// The text is over.
    pub(super) fn reset(&mut self) {
        self.context.clear();
        self.held.clear();
        self.trigger = self.hold.window;
        self.scanned = 0;
    }
}

/// Does nothing at the text's end look like the beginning of a number, an address or a key?
fn is_quiet(text: &str) -> bool {
    let word = text.split_whitespace().next_back().unwrap_or_default();
    !word.contains(|c: char| c.is_numeric() || matches!(c, '@' | '_' | '/' | '=' | '+' | '<'))
}

/// Characters that words, numbers, addresses and keys are made of. Scripts without spaces between words can be cut
/// anywhere.
fn is_wordish(c: char) -> bool {
    let spaceless = matches!(u32::from(c), 0x0E00..=0x0EFF | 0x3040..=0x30FF | 0x3400..=0x9FFF | 0x2_0000..=0x3_FFFF);
    (c.is_alphanumeric() && !spaceless) || "-_.@+/=:'<>".contains(c)
}
