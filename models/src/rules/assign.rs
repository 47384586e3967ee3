//! Secrets by the name they are given: `password = "..."`, `api_key: ...`, `Authorization: Bearer ...`, URLs and
//! connection strings with credentials.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Kind;
use super::lexicon::Hit;
use super::page::{Page, Sink, ceil, run};
use super::secret::{entropy, is_generic, is_placeholder};

/// What a name promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// Something a person may have thought up.
    Password,
    /// Something random.
    Random,
}

/// Names, found inside identifiers too (`DB_PASSWORD`).
pub(super) const NAMES: &[(&str, Named)] = &[
    ("password", Named::Password),
    ("passwd", Named::Password),
    ("passphrase", Named::Password),
    ("passwort", Named::Password),
    ("kennwort", Named::Password),
    ("contraseña", Named::Password),
    ("mot de passe", Named::Password),
    ("pwd", Named::Password),
    ("密码", Named::Password),
    ("secret", Named::Random),
    ("token", Named::Random),
    ("api_key", Named::Random),
    ("apikey", Named::Random),
    ("api-key", Named::Random),
    ("api key", Named::Random),
    ("access_key", Named::Random),
    ("accesskey", Named::Random),
    ("private_key", Named::Random),
    ("signing_key", Named::Random),
    ("encryption_key", Named::Random),
    ("auth_key", Named::Random),
    ("authkey", Named::Random),
    ("credential", Named::Random),
];

/// The longest value, in bytes.
const LONGEST: usize = 256;

/// How a value is bound to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binding {
    Sign,
    Is,
}

/// The value assigned to a name that ends at `hit`.
pub(super) fn find(page: &Page<'_>, hit: &Hit, named: Named, out: &mut impl Sink) {
    let tail = run(&page.bytes()[hit.end..], 24, |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')
    });
    let Some((at, binding)) = bound(page, hit.end + tail) else {
        return;
    };
    let Some((range, quoted)) = value(page, at, binding) else {
        return;
    };
    let text = &page.text[range.clone()];
    if is_placeholder(text) {
        return;
    }
    match named {
        Named::Password if is_password(text, quoted, binding) => {
            out.add(Kind::Password, range, 0.9)
        }
        Named::Random if is_generic(text.as_bytes()) && is_opaque(text, quoted) => {
            out.add(Kind::Secret, range, 0.85)
        }
        _ => {}
    }
}

/// Skips the sign between name and value.
fn bound(page: &Page<'_>, at: usize) -> Option<(usize, Binding)> {
    let rest = page.bytes().get(at..)?;
    let gap = run(rest, 4, |b| {
        matches!(b, b'"' | b'\'' | b']' | b' ' | b'\t' | b'`')
    });
    let rest = &rest[gap..];
    let signs: [(&[u8], Binding); 7] = [
        (b":=", Binding::Sign),
        (b"=>", Binding::Sign),
        (b"=", Binding::Sign),
        (b":", Binding::Sign),
        (b"is: ", Binding::Is),
        (b"is ", Binding::Is),
        (b"ist ", Binding::Is),
    ];
    let (sign, binding) = signs.into_iter().find(|(s, _)| rest.starts_with(s))?;
    let after = &rest[sign.len()..];
    // Comparisons, scopes and URLs assign nothing.
    if binding == Binding::Sign && matches!(after.first(), Some(b'=' | b':' | b'/' | b'~')) {
        return None;
    }
    let skipped = run(after, 4, |b| b == b' ' || b == b'\t');
    Some((at + gap + sign.len() + skipped, binding))
}

fn value(page: &Page<'_>, at: usize, binding: Binding) -> Option<(Range<usize>, bool)> {
    let prefix = usize::from(
        matches!(page.at(at), b'b' | b'r' | b'f') && matches!(page.at(at + 1), b'"' | b'\''),
    );
    let at = at + prefix;
    let quote = page.at(at);
    let escaped = usize::from(quote == b'\\' && matches!(page.at(at + 1), b'"' | b'\''));
    let quote = page.at(at + escaped);
    let window = |from: usize| &page.text[from..ceil(page.text, from.saturating_add(LONGEST))];
    if matches!(quote, b'"' | b'\'' | b'`') {
        let start = at + escaped + 1;
        let length = window(start).find([quote as char, '\n'])?;
        let length = length - usize::from(escaped == 1 && window(start)[..length].ends_with('\\'));
        return (page.at(start + length) != b'\n').then_some((start..start + length, true));
    }
    let text = window(at);
    let length = text
        .find(|c: char| c.is_whitespace() || "\"'`,;<>".contains(c))
        .unwrap_or(text.len());
    let mut end = at + length;
    while end > at
        && (matches!(page.at(end - 1), b'.' | b')' | b']' | b'}')
            || (binding == Binding::Is && matches!(page.at(end - 1), b'?' | b':')))
    {
        end -= 1;
    }
    Some((at..end, false))
}

/// Whether a person may use this as a password, and no text or code.
fn is_password(text: &str, quoted: bool, binding: Binding) -> bool {
    let symbol = |b: u8| {
        matches!(
            b,
            b'!' | b'@' | b'#' | b'$' | b'%' | b'^' | b'&' | b'*' | b'?' | b'+' | b'~' | b'='
        )
    };
    let bytes = text.as_bytes();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = bytes.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let symbols = bytes.iter().filter(|b| symbol(**b)).count();
    let fits = (4..=128).contains(&text.chars().count()) && !text.contains(char::is_whitespace);
    let code = text.contains(['(', '[', '{', '|', '\\'])
        || text.contains("::")
        || text.contains("->")
        || text.contains("&&");
    let path = text.contains("://") || text.starts_with('/') || text.starts_with("./");
    let member = !quoted
        && text.contains('.')
        && text
            .split('.')
            .all(|p| p.starts_with(|c: char| c.is_ascii_alphabetic()));
    let numeric = digits == bytes.len();
    let mixed = digits > 0 && letters > 0 || symbols > 0 && letters + digits > 3;
    if !fits || path || member || (code && !quoted) || entropy(bytes) < 1.0 {
        return false;
    }
    match (binding, quoted) {
        (_, true) => mixed || (numeric && digits >= 4),
        (Binding::Sign, false) => {
            mixed
                && text.len() >= 6
                && !text.starts_with('&')
                && !text.starts_with('@')
                && !text.starts_with('*')
        }
        (Binding::Is, false) => digits > 0 && letters > 0 && text.len() >= 6,
    }
}

/// Letters, digits and the marks of base64; no path, URL or member access.
fn is_opaque(text: &str, quoted: bool) -> bool {
    let opaque = text.bytes().all(|b| {
        b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'+' | b'/' | b'=' | b'-' | b'_' | b'.' | b'~' | b'!' | b'@' | b'$' | b'*'
            )
    });
    let member = !quoted && text.contains('.');
    opaque && !member && !text.starts_with(['/', '.', '@']) && !text.contains("::")
}

/// `Bearer` and what follows.
pub(super) fn bearer(page: &Page<'_>, hit: &Hit, out: &mut impl Sink) {
    let gap = run(&page.bytes()[hit.end..], 3, |b| b == b' ' || b == b':');
    let start = hit.end + gap;
    let length = run(&page.bytes()[start..], 4096, |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
    });
    let text = page.text[start..start + length].trim_end_matches('.');
    let bytes = text.as_bytes();
    let head = &bytes[..bytes.len().min(256)];
    let repeated = entropy(head) < 2.5;
    if gap > 0
        && length >= 16
        && head.iter().any(u8::is_ascii_digit)
        && !repeated
        && !is_placeholder(text)
    {
        out.add(Kind::AccessToken, start..start + text.len(), 0.95);
    }
}

/// `Basic` and base64 of `user:password` (RFC 7617).
pub(super) fn basic(page: &Page<'_>, hit: &Hit, out: &mut impl Sink) {
    let start = hit.end + 1;
    let rest = page.bytes().get(start..).unwrap_or_default();
    let length = run(rest, 512, |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')
    });
    if page.at(hit.end) != b' ' || length < 8 {
        return;
    }
    let Ok(decoded) = STANDARD.decode(&rest[..length]) else {
        return;
    };
    let printable = decoded.iter().all(|b| (b' '..=b'~').contains(b));
    let colon = decoded.iter().position(|b| *b == b':');
    if printable && colon.is_some_and(|at| at > 0 && at + 1 < decoded.len()) {
        out.add(Kind::Password, start..start + length, 0.95);
    }
}

/// `scheme://user:password@host`: the password.
pub(super) fn userinfo(page: &Page<'_>, hit: &Hit, out: &mut impl Sink) {
    let rest = &page.text[hit.end..ceil(page.text, hit.end.saturating_add(LONGEST))];
    let stop = rest
        .find(|c: char| c.is_whitespace() || "/\"'<>?`,".contains(c))
        .unwrap_or(rest.len());
    let Some(at) = rest[..stop].rfind('@') else {
        return;
    };
    let Some(colon) = rest[..at].find(':') else {
        return;
    };
    let password = &rest[colon + 1..at];
    let host = rest
        .as_bytes()
        .get(at + 1)
        .is_some_and(u8::is_ascii_alphanumeric);
    let named = [
        "password",
        "pass",
        "pw",
        "pwd",
        "secret",
        "pass_word",
        "user",
    ]
    .contains(&password.to_ascii_lowercase().as_str());
    if !password.is_empty()
        && host
        && !named
        && !is_placeholder(password)
        && !password.contains(['{', '[', '('])
    {
        out.add(Kind::Password, hit.end + colon + 1..hit.end + at, 0.97);
    }
}
