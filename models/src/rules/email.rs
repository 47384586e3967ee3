//! E-mail addresses: RFC 5322 dot-atoms and quoted local parts, internationalised ones too (RFC 6531).

use super::Kind;
use super::page::{Found, Page, Sink, ceil, floor};

/// RFC 5321 4.5.3.1.1.
const LOCAL: usize = 64;
/// RFC 5321 4.5.3.1.2.
const DOMAIN: usize = 255;

/// What stands behind an `@` in names of images and builds, not in mail.
const FILES: [&str; 12] = [
    "png", "jpg", "jpeg", "gif", "svg", "webp", "js", "ts", "css", "json", "py", "rs",
];

/// All addresses of a text.
pub(super) fn find(page: &Page<'_>, out: &mut Vec<Found>) {
    for at in memchr::memchr_iter(b'@', page.bytes()) {
        if let (Some(start), Some(end)) = (local(page, at), domain(page, at + 1))
            && !is_userinfo(page, start)
            && !is_remote(page, start, at, end)
        {
            out.add(Kind::EmailAddress, start..end, 0.97);
        }
    }
}

fn local(page: &Page<'_>, at: usize) -> Option<usize> {
    let window = &page.text[floor(page.text, at.saturating_sub(LOCAL + 1))..at];
    if let Some(inner) = window.strip_suffix('"') {
        let open = inner.rfind('"')?;
        let start = at - window.len() + open;
        return (inner.len() - open > 1 && !inner[open..].contains('\n')).then_some(start);
    }
    let length: usize = window
        .chars()
        .rev()
        .take_while(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(*c))
        .map(char::len_utf8)
        .sum();
    // Marks that an address may begin with by the standard, but in a text belong to what stands before.
    let name = &window[window.len() - length..];
    let name = name.rsplit(['=', '/', '`', '|']).next().unwrap_or(name);
    let name = name.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '_');
    (!name.is_empty() && !name.ends_with('.') && !name.contains("..")).then(|| at - name.len())
}

fn domain(page: &Page<'_>, at: usize) -> Option<usize> {
    let window = &page.text[at..ceil(page.text, at.saturating_add(DOMAIN))];
    let length: usize = window
        .chars()
        .take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
        .map(char::len_utf8)
        .sum();
    let name = window[..length].trim_end_matches(['.', '-']);
    let (hosts, tld) = name.rsplit_once('.')?;
    let labels_fit = hosts
        .split('.')
        .all(|l| !l.is_empty() && l.len() <= 63 && !l.starts_with('-') && !l.ends_with('-'));
    let tld_fits = tld.starts_with("xn--")
        || (tld.chars().count() >= 2 && tld.chars().all(char::is_alphabetic));
    let is_file = FILES.iter().any(|f| tld.eq_ignore_ascii_case(f));
    (labels_fit && tld_fits && !is_file && page.at(at + name.len()) != b'_')
        .then_some(at + name.len())
}

/// `scheme://user:password@host`.
fn is_userinfo(page: &Page<'_>, start: usize) -> bool {
    let low = floor(page.text, start.saturating_sub(80));
    let before = &page.text[low..start];
    let token = before.rsplit(char::is_whitespace).next().unwrap_or(before);
    token
        .rfind("//")
        .is_some_and(|i| !token[i + 2..].contains(['/', '?']))
}

/// `git@host:path`.
fn is_remote(page: &Page<'_>, start: usize, at: usize, end: usize) -> bool {
    &page.text[start..at] == "git" && matches!(page.at(end), b':' | b'/')
}
