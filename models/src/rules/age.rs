//! Ages: the number beside the words that make it one.

use super::Kind;
use super::lexicon::Hit;
use super::page::{Page, Sink, run};

/// Where the number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// "34 years old".
    Before,
    /// "aged 34".
    After,
}

/// The words, in six languages; each must stand as words of its own.
pub(super) const WORDS: &[(&str, Form)] = &[
    ("years old", Form::Before),
    ("year old", Form::Before),
    ("years-old", Form::Before),
    ("year-old", Form::Before),
    ("year-olds", Form::Before),
    ("yrs old", Form::Before),
    ("yr old", Form::Before),
    ("years of age", Form::Before),
    ("months old", Form::Before),
    ("y/o", Form::Before),
    ("y.o.", Form::Before),
    ("yo", Form::Before),
    ("jahre alt", Form::Before),
    ("jahren alt", Form::Before),
    ("jährige", Form::Before),
    ("jähriger", Form::Before),
    ("anni", Form::Before),
    ("años", Form::Before),
    ("ans", Form::Before),
    ("anos de idade", Form::Before),
    ("aged", Form::After),
    ("age of", Form::After),
    ("age is", Form::After),
    ("age:", Form::After),
    ("age", Form::After),
    ("alter:", Form::After),
    ("âge :", Form::After),
    ("edad:", Form::After),
];

/// The oldest age that is one.
const OLDEST: u32 = 122;

/// The number that goes with an age word.
pub(super) fn beside(page: &Page<'_>, hit: &Hit, form: Form, out: &mut impl Sink) {
    if page.before(hit.start).is_ascii_alphabetic() || page.at(hit.end).is_ascii_alphanumeric() {
        return;
    }
    let word = &page.text[hit.start..hit.end];
    let range = match form {
        Form::Before => {
            let gap = usize::from(matches!(page.before(hit.start), b' ' | b'-'));
            let end = hit.start - gap;
            let digits = page.bytes()[..end]
                .iter()
                .rev()
                .take(4)
                .take_while(|b| b.is_ascii_digit())
                .count();
            end - digits..end
        }
        Form::After => {
            let gap = run(&page.bytes()[hit.end..], 2, |b| {
                matches!(b, b' ' | b':' | b'=')
            });
            let start = hit.end + gap;
            start..start + run(&page.bytes()[start..], 4, |b| b.is_ascii_digit())
        }
    };
    let Ok(age) = page.text[range.clone()].parse::<u32>() else {
        return;
    };
    let before = page.before(range.start);
    let after = page.at(range.end);
    let fraction = matches!(after, b'.' | b',') && page.at(range.end + 1).is_ascii_digit();
    let whole = !matches!(before, b'.' | b',' | b'$' | b'_')
        && !after.is_ascii_alphanumeric()
        && after != b'%'
        && !fraction;
    let after_yo = form == Form::Before && after.is_ascii_alphabetic() && range.end == hit.start;
    // A span of years is also written "34 ans": there the score says that it is a guess.
    let score = match word.to_ascii_lowercase().as_str() {
        "ans" | "anni" | "años" | "yo" | "age" => 0.6,
        _ => 0.9,
    };
    if age <= OLDEST && range.len() <= 3 && (whole || after_yo) && !before.is_ascii_alphanumeric() {
        out.add(Kind::Age, range, score);
    }
}
