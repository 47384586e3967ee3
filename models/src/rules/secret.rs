//! How much a string looks like a secret.

/// Shannon entropy of the bytes, in bits each.
pub(super) fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let total = bytes.len() as f64;
    counts
        .iter()
        .filter(|c| **c > 0)
        .map(|&c| f64::from(c) / total)
        .map(|p| -p * p.log2())
        .sum()
}

/// Whether a value stands for one: `<your-key>`, `xxxx`, `changeme`, `${TOKEN}`.
pub(super) fn is_placeholder(value: &str) -> bool {
    const WORDS: [&str; 30] = [
        "your",
        "example",
        "placeholder",
        "changeme",
        "change_me",
        "change-me",
        "xxxx",
        "****",
        "....",
        "redacted",
        "insert",
        "replace",
        "dummy",
        "<",
        "${",
        "{{",
        "%(",
        "$(",
        "todo",
        "null",
        "none",
        "undefined",
        "process.env",
        "os.environ",
        "getenv",
        "env.",
        "secrets.",
        "vault",
        "1234567890abcdef",
        "abcdefghij",
    ];
    let lower = value.to_ascii_lowercase();
    WORDS.iter().any(|w| lower.contains(w)) || lower.starts_with('$') || lower.starts_with('%')
}

/// Whether a body of random characters can be one: enough different characters for its length.
pub(super) fn is_random(bytes: &[u8]) -> bool {
    let needed = match bytes.len() {
        0..=11 => 1.5,
        12..=19 => 2.5,
        _ => 2.9,
    };
    let repeated = bytes.windows(5).any(|w| w.iter().all(|b| *b == w[0]));
    entropy(bytes) >= needed && !repeated
}

/// Whether a value of unknown origin is random: digits and letters mixed, high entropy, not words joined by marks.
pub(super) fn is_generic(bytes: &[u8]) -> bool {
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = bytes.iter().filter(|b| b.is_ascii_alphabetic()).count();
    // Words are joined by marks: the longest piece of a random value is long, or the pieces hold digits.
    let worded = bytes
        .split(|b| matches!(b, b'-' | b'_' | b'.' | b'/'))
        .all(|piece| {
            piece.is_empty()
                || piece.iter().all(u8::is_ascii_alphabetic)
                || piece.iter().all(u8::is_ascii_digit)
        });
    (16..=256).contains(&bytes.len())
        && digits >= 2
        && letters >= 2
        && !worded
        && entropy(bytes) >= 3.0
        && is_random(bytes)
}
