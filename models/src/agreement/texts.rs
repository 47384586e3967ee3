//! Texts to measure with.

/// Written for this; nothing was trained or tuned on them. A line a text: questions on many subjects, small talk,
/// attacks and what looks like them, personal data, other languages.
const LINES: &str = include_str!("texts.txt");

/// The built-in texts: as written, in small letters without their last character, and each with two others behind it,
/// so that there are longer ones.
#[must_use]
pub fn texts() -> Vec<String> {
    let lines: Vec<&str> = LINES.lines().filter(|line| !line.is_empty()).collect();
    let at = |index: usize| lines[index % lines.len()];
    let mut texts: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    texts.extend(lines.iter().map(|line| {
        let mut small = line.to_lowercase();
        small.pop();
        small
    }));
    // Steps that share no factor with the number of lines bring each together with other kinds.
    texts.extend((0..lines.len()).map(|i| format!("{} {} {}", at(i), at(i + 37), at(i + 83))));
    texts
}
