//! ASCII at the speed of the machine: most texts are mostly that, and the loops here are such that compilers turn them
//! into vector instructions.

/// How many bytes of ASCII the text begins with.
#[must_use]
pub(crate) fn prefix(text: &[u8]) -> usize {
    const STEP: usize = 32;
    let mut at = 0;
    while let Some(step) = text.get(at..at + STEP)
        && step.iter().fold(0, |all, b| all | b) < 0x80
    {
        at += STEP;
    }
    let end = text[at..].iter().position(|b| !b.is_ascii());
    end.map_or(text.len(), |more| at + more)
}
