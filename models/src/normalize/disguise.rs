//! Texts hidden in a text: decoded, bounded, mapped back.
//!
//! Each decoder is a file and gives [`Edit`]s: what of the text it would replace, by what. Edits of one kind that lie
//! near each other become one candidate; short ones keep what surrounds them, since `1gn0r3` alone says little. What a
//! decoder made is looked at again, so base64 within base64 is found, to a depth.

mod base64;
mod escape;
mod hex;
mod hidden;
mod joined;
mod leet;
mod shift;
mod spaced;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use super::offsets::{Layer, OffsetMap, Runs};
use super::words::Verdict;
use super::{GLYPHS, normalize, outward, rewrite};

/// Edits of one kind with at most this many bytes between them belong together.
const GAP: usize = 80;
/// A candidate's edits span at most about this much of the text.
const CLUSTER: usize = 64 << 10;
/// What a short edit keeps of the text on either side, in bytes.
const CONTEXT: usize = 160;
/// An edit of this many words is judged on its own, without its surroundings.
const WORDS_ALONE: usize = 3;

/// How a text was hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// In characters that print as nothing: tag characters, variation selectors.
    Hidden,
    /// Words with only zero-width characters between them, which become one word when these go.
    Joined,
    /// Digits and symbols for letters: `1gn0r3`.
    Leet,
    /// Letter by letter: `i g n o r e`, `i.g.n.o.r.e`, one letter a line.
    Spaced,
    /// Written backwards, as a whole or word by word. Only where [`Limits::reversed`] asks for it.
    Reversed,
    /// Base64: standard or URL-safe, padded or not, wrapped in lines or not.
    Base64,
    /// Hexadecimal bytes: plain, `\x69`, `0x69`, with separators.
    Hex,
    /// Each letter moved by 13 places; English only.
    Rot13,
    /// URL percent-encoding.
    Percent,
    /// HTML character references by number.
    Html,
    /// `\u0069`, `\u{69}`, `\U00000069`.
    Unicode,
}

impl Kind {
    /// The kind as metrics and explanations name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Joined => "joined",
            Self::Leet => "leet",
            Self::Spaced => "spaced",
            Self::Reversed => "reversed",
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Rot13 => "rot13",
            Self::Percent => "percent",
            Self::Html => "html",
            Self::Unicode => "unicode",
        }
    }
}

/// What [`candidates`] may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most candidates.
    pub max_candidates: usize,
    /// The most bytes derived in all, also of what turned out to be nothing. Bounds memory and, since derived text is
    /// looked at again, time.
    pub max_bytes: usize,
    /// How many disguises may lie within each other; 0 looks for none.
    pub max_depth: usize,
    /// Whether to look for text written backwards.
    pub reversed: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_candidates: 64,
            max_bytes: 1 << 20,
            max_depth: 3,
            reversed: false,
        }
    }
}

/// A text that was hidden in another.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The disguises, outermost first; never empty.
    pub chain: Vec<Kind>,
    /// What came out, normalised. A short find has some of the surrounding text with it.
    pub text: String,
    /// From [`Self::text`] to the text as it was given.
    pub map: OffsetMap,
    /// Where in the given text the disguise is, without the surroundings.
    pub span: Range<usize>,
}

impl Candidate {
    /// The innermost disguise, the one that gave the text.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.chain.last().copied()
    }

    /// The bytes of the given text that `range` of [`Self::text`] came from: valid, at character boundaries, covering.
    /// Ends of `range` within a character are first moved outwards.
    #[must_use]
    pub fn original(&self, range: Range<usize>) -> Range<usize> {
        self.map.original(outward(&self.text, range))
    }
}

/// What [`candidates`] found.
#[derive(Debug, Clone, Default)]
pub struct Candidates {
    /// By depth-first search, each text once.
    pub items: Vec<Candidate>,
    /// A limit was met: there may be more. Ordinary text never comes near, so a caller may well take it for a finding.
    pub truncated: bool,
}

/// The texts hidden in `text`, to be scored besides it.
///
/// Honest encodings are found as well (a URL with `%20` between words, a text in base64): a candidate is a text to score,
/// no finding. Takes time linear in the text; memory of at most a few times [`Limits::max_bytes`] beside the text's
/// normalised copies.
///
/// Takes the text as it was given, not the normalised one: white space and invisible characters matter here. A text of
/// 4 GiB or more is not looked at and is reported as truncated.
#[must_use]
pub fn candidates(text: &str, limits: &Limits) -> Candidates {
    let mut search = Search {
        limits,
        room: limits.max_bytes,
        seen: HashSet::new(),
        found: Candidates::default(),
    };
    if u32::try_from(text.len()).is_err() {
        search.found.truncated = true;
    } else {
        search.explore(text, &OffsetMap::default(), &[]);
    }
    search.found
}

/// What a decoder would put in place of a stretch of the text.
struct Edit {
    span: Range<usize>,
    text: String,
    /// From [`Self::text`] to the text that was looked at.
    runs: Runs,
    verdict: Verdict,
}

/// Takes edits from a decoder, as many as there is room for.
struct Edits {
    list: Vec<Edit>,
    room: usize,
    full: bool,
}

impl Edits {
    /// The most bytes that one edit may have: decoders cut what is longer into several.
    fn reach(&self) -> usize {
        self.room.min(CLUSTER / 2)
    }

    /// Takes `edit` unless it is noise; whether there is room for more.
    fn push(&mut self, edit: Edit) -> bool {
        if edit.verdict == Verdict::Noise {
            return true;
        }
        // What an edit costs besides its text: without this, a million tiny ones would be free.
        let cost = edit.text.len() + size_of::<Edit>();
        if cost > self.room {
            self.full = true;
            return false;
        }
        self.room -= cost;
        self.list.push(edit);
        true
    }
}

type Decoder = fn(&str, &mut Edits);

/// The decoders that want the text with its glyphs folded.
const DECODERS: [(Kind, Decoder); 8] = [
    (Kind::Leet, leet::find),
    (Kind::Spaced, spaced::find),
    (Kind::Base64, base64::find),
    (Kind::Hex, hex::find),
    (Kind::Rot13, shift::find_rot13),
    (Kind::Percent, escape::find_percent),
    (Kind::Html, escape::find_html),
    (Kind::Unicode, escape::find_unicode),
];

struct Search<'l> {
    limits: &'l Limits,
    room: usize,
    /// Hashes of what was derived, so that nothing is looked at twice.
    seen: HashSet<u64>,
    found: Candidates,
}

impl Search<'_> {
    fn explore(&mut self, text: &str, map: &OffsetMap, chain: &[Kind]) {
        if chain.len() >= self.limits.max_depth {
            return;
        }
        self.decode(text, map, chain, Kind::Hidden, hidden::find);
        self.decode(text, map, chain, Kind::Joined, joined::find);
        let (glyphs, folding) = rewrite::apply(text, &GLYPHS);
        let map = &map.followed_by(&folding);
        for (kind, decoder) in DECODERS {
            self.decode(&glyphs, map, chain, kind, decoder);
        }
        if self.limits.reversed {
            for span in shift::reversed_stretches(&glyphs) {
                let whole: String = glyphs[span.clone()].chars().rev().collect();
                self.take(
                    whole,
                    map,
                    Layer::Reverse(span.clone()),
                    chain,
                    Kind::Reversed,
                    span.clone(),
                    true,
                );
                let (words, runs) = shift::words_reversed(&glyphs, span.clone());
                self.take(
                    words,
                    map,
                    Layer::Runs(runs),
                    chain,
                    Kind::Reversed,
                    span,
                    true,
                );
            }
        }
    }

    fn decode(
        &mut self,
        text: &str,
        map: &OffsetMap,
        chain: &[Kind],
        kind: Kind,
        decoder: Decoder,
    ) {
        let mut edits = Edits {
            list: Vec::new(),
            room: self.room,
            full: false,
        };
        decoder(text, &mut edits);
        self.found.truncated |= edits.full;
        let mut rest = edits.list.as_slice();
        while let Some(first) = rest.first() {
            let n = rest
                .windows(2)
                .take_while(|w| {
                    w[1].span.start - w[0].span.end <= GAP
                        && w[1].span.end - first.span.start <= CLUSTER
                })
                .count()
                + 1;
            let (cluster, later) = rest.split_at(n);
            let (derived, runs) = join(text, cluster, kind);
            let span = first.span.start..cluster[n - 1].span.end;
            let readable = cluster.iter().any(|e| e.verdict == Verdict::Prose);
            self.take(derived, map, Layer::Runs(runs), chain, kind, span, readable);
            rest = later;
        }
    }

    /// Keeps a derived text, if it is new, and looks into it.
    #[allow(clippy::too_many_arguments)] // one call's worth of facts, used at once
    fn take(
        &mut self,
        text: String,
        map: &OffsetMap,
        layer: Layer,
        chain: &[Kind],
        kind: Kind,
        span: Range<usize>,
        readable: bool,
    ) {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            return;
        }
        if text.len() > self.room || self.found.items.len() >= self.limits.max_candidates {
            self.found.truncated = true;
            return;
        }
        self.room -= text.len();
        let chain: Vec<Kind> = chain.iter().copied().chain([kind]).collect();
        let span = map.original(span);
        let map = map.then(layer);
        if readable {
            let plain = normalize(&text);
            self.found.items.push(Candidate {
                chain: chain.clone(),
                map: map.followed_by(&plain.map),
                text: plain.text.into_owned(),
                span,
            });
        }
        self.explore(&text, &map, &chain);
    }
}

/// The text of a cluster of edits, with what lies between and, for short ones, around them.
fn join(text: &str, cluster: &[Edit], kind: Kind) -> (String, Runs) {
    // Hidden text is a text of its own, whatever it is hidden in.
    let alone = kind == Kind::Hidden
        || kind != Kind::Joined
            && cluster
                .iter()
                .any(|e| e.text.split_whitespace().nth(WORDS_ALONE - 1).is_some());
    let (start, end) = match cluster {
        [first, .., last] => (first.span.start, last.span.end),
        [only] => (only.span.start, only.span.end),
        [] => return (String::new(), Runs::default()),
    };
    // An edit within a word needs the rest of the word.
    let glued = kind != Kind::Hidden
        && (text[..start].ends_with(char::is_alphanumeric)
            || text[end..].starts_with(char::is_alphanumeric));
    let (from, to) = if alone && !glued {
        (start, end)
    } else {
        around(text, start..end)
    };
    let mut derived = String::new();
    let mut runs = Runs::default();
    let mut at = from;
    for edit in cluster {
        derived.push_str(&text[at..edit.span.start]);
        runs.copy(at..edit.span.start);
        derived.push_str(&edit.text);
        runs.append(&edit.runs);
        at = edit.span.end;
    }
    derived.push_str(&text[at..to]);
    runs.copy(at..to);
    debug_assert_eq!(derived.len(), runs.len());
    (derived, runs)
}

/// `range` with up to [`CONTEXT`] bytes on either side, cut between words where there is a place.
fn around(text: &str, range: Range<usize>) -> (usize, usize) {
    let mut from = range.start.saturating_sub(CONTEXT);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    if from > 0
        && let Some(n) = text[from..range.start].find(char::is_whitespace)
    {
        from += n;
    }
    let mut to = (range.end + CONTEXT).min(text.len());
    while !text.is_char_boundary(to) {
        to -= 1;
    }
    if to < text.len()
        && let Some(n) = text[range.end..to].rfind(char::is_whitespace)
    {
        to = range.end + n;
    }
    (from, to)
}
