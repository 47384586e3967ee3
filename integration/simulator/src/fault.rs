//! Faults that a test or an operator injects.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What goes wrong. In JSON the variant is the field `fault` in snake case, its fields stand beside it.
///
/// "Events" are server-sent events as the client counts them; `after: 0` means before the first one.
/// For a unary request "in mid-stream" means: after the headers and half of the body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum FaultKind {
    /// Nothing: requests are served as usual.
    None,
    /// Answers with this status.
    Status {
        /// HTTP status, 100 to 999.
        code: u16,
        /// The body, sent as `application/json`; without it, a flat error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// All workers are over a threshold: 529 "Service temporarily overloaded", no `retry-after`.
    Overload529,
    /// The model is known but its workers are gone: 503, also from `/v1/models/{id}/ready`.
    ModelNotReady,
    /// No worker of any model: 404 with an empty body, an empty `/v1/models`.
    NoWorkers,
    /// The worker is frozen: no answer ever, the connection stays open.
    HangBeforeHeaders,
    /// The stream falls silent after `after` events, the connection stays open.
    HangMidStream {
        /// Events before the silence.
        after: usize,
    },
    /// The connection is closed (EOF) once the request has been read.
    CloseBeforeResponse,
    /// The frontend dies in mid-stream: the connection ends without a chunk terminator.
    ResetMidStream {
        /// Events before the end.
        after: usize,
        /// Ends with a TCP reset, which may overtake events that the client has not read yet, instead
        /// of the end of file that a killed process leaves.
        #[serde(default)]
        rst: bool,
    },
    /// The worker dies in mid-stream: an error event, `[DONE]`, a clean end; the status stays 200.
    /// A unary request is answered with the status `code` at once.
    ErrorEvent {
        /// Events before the error event.
        after: usize,
        /// `code` of the error, default 503.
        #[serde(default = "service_unavailable")]
        code: u16,
    },
    /// The stream ends cleanly (chunk terminator) without its last events and without `[DONE]`.
    TruncatedStream {
        /// Events before the end; without it only the terminator is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<usize>,
    },
    /// The first token takes this much longer.
    SlowTtft {
        /// Added time in milliseconds.
        ttft_ms: u64,
    },
}

fn service_unavailable() -> u16 {
    503
}

/// A fault and for how many requests it holds.
///
/// Only POST requests of the API meet a fault and use up its count. Probes (`/v1/models`, `/ready`)
/// follow [`FaultKind::ModelNotReady`] and [`FaultKind::NoWorkers`] while they are set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// Holds for that many requests, then clears itself; `None` holds until it is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self { kind, count: None }
    }
}

impl Fault {
    /// No fault.
    pub fn none() -> Self {
        FaultKind::None.into()
    }

    /// A status with a flat error body.
    pub fn status(code: u16) -> Self {
        FaultKind::Status { code, body: None }.into()
    }

    /// 529 as from a frontend whose workers are all busy.
    pub fn overload() -> Self {
        FaultKind::Overload529.into()
    }

    /// Every model is known, none is ready.
    pub fn model_not_ready() -> Self {
        FaultKind::ModelNotReady.into()
    }

    /// No worker at all.
    pub fn no_workers() -> Self {
        FaultKind::NoWorkers.into()
    }

    /// No answer ever.
    pub fn hang_before_headers() -> Self {
        FaultKind::HangBeforeHeaders.into()
    }

    /// Silence after that many events.
    pub fn hang_mid_stream(after: usize) -> Self {
        FaultKind::HangMidStream { after }.into()
    }

    /// End of file instead of an answer.
    pub fn close_before_response() -> Self {
        FaultKind::CloseBeforeResponse.into()
    }

    /// End of file after that many events.
    pub fn reset_mid_stream(after: usize) -> Self {
        FaultKind::ResetMidStream { after, rst: false }.into()
    }

    /// An error event (503) after that many events.
    pub fn error_event(after: usize) -> Self {
        FaultKind::ErrorEvent { after, code: 503 }.into()
    }

    /// A clean end without `[DONE]`.
    pub fn truncated_stream() -> Self {
        FaultKind::TruncatedStream { after: None }.into()
    }

    /// A slower first token. Fractions of a millisecond are dropped.
    pub fn slow_ttft(extra: Duration) -> Self {
        let ttft_ms = u64::try_from(extra.as_millis()).unwrap_or(u64::MAX);
        FaultKind::SlowTtft { ttft_ms }.into()
    }

    /// The same fault for the next `count` requests only.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Reads the value of an `x-simulate` header: JSON, or a fault's name with an optional number:
    /// `overload529`, `hang_mid_stream:3` (events), `status:418` (status), `slow_ttft:250`
    /// (milliseconds). Without a number, events default to 0 and milliseconds to 1000.
    ///
    /// # Errors
    /// A sentence that names what is wrong with the value.
    pub fn from_header(value: &str) -> Result<Self, String> {
        let value = value.trim();
        if value.starts_with('{') {
            return serde_json::from_str(value).map_err(|error| format!("x-simulate: {error}"));
        }
        let (name, number) = match value.split_once(':') {
            Some((name, number)) => {
                let parsed = number.trim().parse::<u16>();
                let number = parsed.map_err(|_| format!("x-simulate: `{number}` is no number"))?;
                (name.trim(), Some(number))
            }
            None => (value, None),
        };
        let after = usize::from(number.unwrap_or(0));
        Ok(match name {
            "none" => Self::none(),
            "status" => Self::status(number.unwrap_or(500)),
            "overload529" => Self::overload(),
            "model_not_ready" => Self::model_not_ready(),
            "no_workers" => Self::no_workers(),
            "hang_before_headers" => Self::hang_before_headers(),
            "hang_mid_stream" => Self::hang_mid_stream(after),
            "close_before_response" => Self::close_before_response(),
            "reset_mid_stream" => Self::reset_mid_stream(after),
            "error_event" => Self::error_event(after),
            "truncated_stream" => FaultKind::TruncatedStream {
                after: number.map(usize::from),
            }
            .into(),
            "slow_ttft" => Self::slow_ttft(Duration::from_millis(number.unwrap_or(1000).into())),
            _ => return Err(format!("x-simulate: unknown fault `{name}`")),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn json_carries_fields_beside_the_name() {
        let fault: Fault =
            serde_json::from_str(r#"{"fault":"reset_mid_stream","after":3,"count":2}"#).unwrap();
        assert_eq!(fault, Fault::reset_mid_stream(3).times(2));
        let back: Fault = serde_json::from_str(&serde_json::to_string(&fault).unwrap()).unwrap();
        assert_eq!(back, fault);
        let overload: Fault = serde_json::from_str(r#"{"fault":"overload529"}"#).unwrap();
        assert_eq!(overload, Fault::overload());
        serde_json::from_str::<Fault>(r#"{"fault":"unheard_of"}"#).unwrap_err();
        serde_json::from_str::<Fault>(r#"{"fault":"hang_mid_stream"}"#).unwrap_err();
    }

    #[test]
    fn header_has_a_short_form() {
        assert_eq!(
            Fault::from_header("hang_mid_stream:3"),
            Ok(Fault::hang_mid_stream(3))
        );
        assert_eq!(Fault::from_header(" overload529 "), Ok(Fault::overload()));
        assert_eq!(
            Fault::from_header(r#"{"fault":"status","code":418}"#),
            Ok(Fault::status(418))
        );
        assert!(
            Fault::from_header("overload")
                .unwrap_err()
                .contains("`overload`")
        );
        assert!(Fault::from_header("status:x").unwrap_err().contains("`x`"));
    }
}
