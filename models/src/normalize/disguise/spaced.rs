//! Letter by letter, with something between.
//!
//! A run is four or more single letters, each followed by up to three separators. The first gap sets what stands between
//! letters; any other gap stands between words. Where no gap tells words apart, the vocabulary does.

use std::ops::Range;

use super::super::offsets::Runs;
use super::super::words::{Verdict, cut, is_known};
use super::{Edit, Edits, leet};

const SHORTEST: usize = 4;
/// The most bytes between two letters.
const WIDEST: usize = 4;
/// A longer run is taken in pieces.
const LONGEST: usize = 4096;

fn separates(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '.' | '-' | '_' | '*' | '/' | '|' | ',' | '·' | '•' | '~' | '+' | ':' | ';' | '\\'
        )
}

/// A single letter and what follows it up to the next one.
struct Letter {
    c: char,
    span: Range<usize>,
}

pub(super) fn find(text: &str, edits: &mut Edits) {
    let mut run: Vec<Letter> = Vec::new();
    // An alphanumeric with none before it; the next character tells whether it is single.
    let mut first: Option<Letter> = None;
    let mut within = false; // a word
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let alphanumeric = c.is_alphanumeric();
        let ends_run = if alphanumeric {
            if !within {
                first = Some(Letter { c, span: at..end });
            } else {
                first = None;
            }
            within && !run.is_empty()
        } else {
            run.extend(first.take());
            let wide = |last: &Letter| !separates(c) || end - last.span.end > WIDEST;
            run.len() == LONGEST || run.last().is_some_and(wide)
        };
        within = alphanumeric;
        if ends_run {
            if !flush(text, &run, edits) {
                return;
            }
            run.clear();
        }
    }
    run.extend(first);
    flush(text, &run, edits);
}

fn flush(text: &str, run: &[Letter], edits: &mut Edits) -> bool {
    if run.len() < SHORTEST {
        return true;
    }
    let gap = |i: usize| &text[run[i].span.end..run[i + 1].span.start];
    let usual = gap(0);
    let mut joined = String::new();
    let mut words = Vec::new(); // number of letters up to the end of each word
    for (i, letter) in run.iter().enumerate() {
        joined.push(letter.c);
        if i + 1 == run.len() || gap(i) != usual {
            words.push(i + 1);
        }
    }
    let Some(verdict) = accept(&joined, run, &mut words) else {
        return true;
    };
    let mut out = String::new();
    let mut runs = Runs::default();
    let mut word = words.iter().peekable();
    for (i, letter) in run.iter().enumerate() {
        // A letter takes the gap behind it along, so that a run of equal gaps is one run of the map.
        let end = run
            .get(i + 1)
            .map_or(letter.span.end, |next| next.span.start);
        let from = out.len();
        out.push(letter.c);
        if word.next_if(|&&end| end == i + 1).is_some() && i + 1 < run.len() {
            out.push(' ');
        }
        runs.whole(letter.span.start..end, out.len() - from);
    }
    let span = run[0].span.start..run[run.len() - 1].span.end;
    edits.push(Edit {
        span,
        text: out,
        runs,
        verdict,
    })
}

/// Whether a run says something. May cut `words` finer.
fn accept(joined: &str, run: &[Letter], words: &mut Vec<usize>) -> Option<Verdict> {
    let digits = run.iter().filter(|l| l.c.is_numeric()).count();
    if digits * 2 > run.len() || sequential(run) {
        return None;
    }
    if !joined.is_ascii() {
        return natural(run, words.len()).then_some(Verdict::Prose);
    }
    let plain: String = joined
        .bytes()
        .map(|b| char::from(leet::letter(b)))
        .collect();
    let (mut covered, mut longest, mut finer) = (0, 0, Vec::new());
    let mut start = 0;
    for &end in words.iter() {
        let word = &plain[start..end];
        let cuts = if word.len() > 1 { cut(word) } else { None };
        if let Some(cuts) = cuts {
            covered += word.len();
            let mut from = 0;
            for to in cuts.into_iter().chain([word.len()]) {
                longest = longest.max(to - from);
                from = to;
                finer.push(start + to);
            }
        } else {
            longest = longest.max(if is_known(word) { word.len() } else { 0 });
            finer.push(end);
        }
        start = end;
    }
    if covered * 10 >= joined.len() * 6 && longest >= 4 {
        *words = finer;
        return Some(if digits > 0 {
            Verdict::Printable
        } else {
            Verdict::Prose
        });
    }
    (digits == 0 && natural(run, words.len())).then_some(Verdict::Prose)
}

/// A, B, C and so on: a list, not a word.
fn sequential(run: &[Letter]) -> bool {
    run.windows(2)
        .filter(|w| (1..=2).contains(&u32::from(w[1].c).wrapping_sub(u32::from(w[0].c))))
        .count()
        * 2
        >= run.len()
}

/// Letters as in a sentence of an unknown language: many, various, some again and again, about a third of them vowels
/// where they are Latin; words, if told apart, of three letters and more on average (initials and abbreviations are less).
fn natural(run: &[Letter], words: usize) -> bool {
    if run.len() < 16
        || run.len() < 3 * words
        || run
            .iter()
            .any(|l| !(l.c.is_lowercase() || l.c.is_uppercase()))
    {
        return false;
    }
    let mut letters: Vec<char> = run.iter().flat_map(|l| l.c.to_lowercase()).collect();
    let latin = letters.iter().filter(|c| c.is_ascii()).count();
    let vowels = letters.iter().filter(|c| "aeiouy".contains(**c)).count();
    letters.sort_unstable();
    letters.dedup();
    let various = letters.len() >= 8 && letters.len() * 5 <= run.len() * 4;
    various && (latin * 2 < run.len() || (vowels * 4 >= latin && vowels * 5 <= latin * 3))
}
