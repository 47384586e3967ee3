//! W3C trace context (<https://www.w3.org/TR/trace-context/>): the client's trace goes on, else one begins here.

use std::fmt;

/// One position in a trace: the gateway's own span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceContext {
    /// 16 bytes, never all zero.
    pub trace_id: u128,
    /// The gateway's span, 8 bytes, never zero.
    pub span_id: u64,
    /// The caller's span; `None` where the trace begins here.
    pub parent_id: Option<u64>,
    /// Bit 0: sampled.
    pub flags: u8,
}

impl TraceContext {
    /// Continues the trace of a `traceparent` header, or begins a new one where it is absent or malformed.
    #[must_use]
    pub(crate) fn continue_from(header: Option<&[u8]>) -> Self {
        let span_id = fastrand::u64(1..);
        match header.and_then(parse) {
            Some((trace_id, parent, flags)) => Self {
                trace_id,
                span_id,
                parent_id: Some(parent),
                flags,
            },
            None => Self {
                trace_id: fastrand::u128(1..),
                span_id,
                parent_id: None,
                flags: 0,
            },
        }
    }
}

impl fmt::Display for TraceContext {
    /// The `traceparent` header that goes upstream.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id, self.span_id, self.flags
        )
    }
}

/// `version "-" trace-id "-" parent-id "-" flags`, all lower-case hexadecimal; later versions may append fields.
fn parse(header: &[u8]) -> Option<(u128, u64, u8)> {
    let text = std::str::from_utf8(header).ok()?;
    if text.len() < 55 || !text.is_ascii() {
        return None;
    }
    let (head, rest) = text.split_at(55);
    let mut parts = head.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some()
        || version == "ff"
        || (version == "00" && !rest.is_empty())
        || !(rest.is_empty() || rest.starts_with('-'))
    {
        return None;
    }
    hex(version, 2)?;
    let trace = hex(trace, 32)?;
    let parent = u64::try_from(hex(parent, 16)?).ok()?;
    let flags = u8::try_from(hex(flags, 2)?).ok()?;
    (trace != 0 && parent != 0).then_some((trace, parent, flags))
}

fn hex(text: &str, digits: usize) -> Option<u128> {
    let valid = text.len() == digits
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    valid.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_clients_trace_goes_on_under_a_new_span() {
        let context = TraceContext::continue_from(Some(GOOD.as_bytes()));
        assert_eq!(context.parent_id, Some(0x00f0_67aa_0ba9_02b7));
        let sent = context.to_string();
        assert_eq!(sent[..36], GOOD[..36]);
        assert_eq!(sent[52..], GOOD[52..]);
        assert_ne!(sent, GOOD);
        assert!(parse(sent.as_bytes()).is_some());
    }

    #[test]
    fn malformed_headers_begin_a_new_trace() {
        for bad in [
            "",
            "00",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        ] {
            let context = TraceContext::continue_from(Some(bad.as_bytes()));
            assert_eq!(context.parent_id, None, "{bad}");
            assert_ne!(context.trace_id, 0);
        }
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert!(parse(later.as_bytes()).is_some());
    }

    proptest! {
        #[test]
        fn any_header_gives_a_valid_one(header in prop::collection::vec(any::<u8>(), 0..80)) {
            let sent = TraceContext::continue_from(Some(&header)).to_string();
            prop_assert!(parse(sent.as_bytes()).is_some());
        }
    }
}
