//! Domain names, in URLs and alone.

use super::Kind;
use super::page::{Found, Page, Sink, floor, run};

/// Top-level domains that stand alone in a text. Those that end files and methods (`.py`, `.rs`, `.map`) are only taken
/// in URLs and after `www.`.
const TLDS: &str = " com org net edu gov mil int info biz io co us uk de fr es it nl eu ch at be se no dk fi pt br ca au nz jp \
                    cn ru pl cz ie mx ar cl in kr sg hk tw za tr gr hu ro il ai app dev cloud online shop site tech xyz me tv \
                    museum aero coop jobs mobi name pro travel ";

/// Those of them that are words or attributes of code too.
const DOUBTFUL: &str = " info name pro me in it no at be is to so my int do travel jobs app dev es de se us co ai site shop tech \
                        online cloud ar fi pl hu ";

/// All domains of a text.
pub(super) fn find(page: &Page<'_>, out: &mut Vec<Found>) {
    let mut done = 0;
    for dot in memchr::memchr_iter(b'.', page.bytes()) {
        let joined = is_host(page.before(dot)) && page.at(dot + 1).is_ascii_alphanumeric();
        if dot < done || !joined {
            continue;
        }
        let low = done.max(floor(page.text, dot.saturating_sub(64)));
        let back = page.bytes()[low..dot]
            .iter()
            .rev()
            .take_while(|b| is_host(**b))
            .count();
        let start = dot - back;
        let length = run(&page.bytes()[start..], 253, |b| is_host(b) || b == b'.');
        done = start + length.max(1);
        let mut end = done;
        while end > start && !page.at(end - 1).is_ascii_alphanumeric() {
            end -= 1;
        }
        judge(page, start, end, out);
    }
}

fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn judge(page: &Page<'_>, start: usize, end: usize, out: &mut Vec<Found>) {
    let name = &page.text[start..end];
    let Some((hosts, tld)) = name.rsplit_once('.') else {
        return;
    };
    let well_formed = hosts
        .split('.')
        .all(|l| !l.is_empty() && l.len() < 64 && !l.starts_with('-') && !l.ends_with('-'))
        && tld.len() >= 2
        && tld.bytes().all(|b| b.is_ascii_alphabetic());
    let before = page.before(start);
    let after = page.at(end);
    if !well_formed || matches!(before, b'@' | b'_' | b'.' | b'\\' | b'$') {
        return;
    }
    let in_url = page.bytes()[..start].ends_with(b"://");
    if in_url {
        out.add(Kind::DomainName, start..end, 0.9);
        return;
    }
    let last = page.text[..start].chars().next_back();
    if before == b'/' || last.is_some_and(char::is_alphanumeric) {
        return;
    }
    let lower = tld.to_ascii_lowercase();
    let known = TLDS.split_ascii_whitespace().any(|t| t == lower);
    let code =
        matches!(after, b'(' | b'_' | b'=' | b'[' | b'{' | b'@') || before == b'(' && after == b',';
    let www = hosts.to_ascii_lowercase().starts_with("www.") || hosts.eq_ignore_ascii_case("www");
    if www && tld.len() <= 10 {
        out.add(Kind::DomainName, start..end, 0.9);
    } else if known && !code {
        let doubtful = DOUBTFUL.split_ascii_whitespace().any(|t| t == lower);
        let plain =
            hosts.bytes().any(|b| b.is_ascii_alphabetic()) && tld == lower && hosts.len() > 2;
        match (doubtful, plain) {
            (false, _) if hosts.len() > 1 => out.add(Kind::DomainName, start..end, 0.8),
            (true, true) if !matches!(hosts, "self" | "this") => {
                out.add(Kind::DomainName, start..end, 0.5)
            }
            _ => {}
        }
    }
}
