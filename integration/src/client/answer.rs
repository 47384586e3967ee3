//! An answer, and what tests ask of it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;

use crate::wait::soon;

/// An answer whose head has come.
#[derive(Debug)]
pub struct Opened {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    version: Version,
    body: Incoming,
    seen: Vec<u8>,
}

impl Opened {
    pub(super) fn new(response: http::Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            version: head.version,
            body,
            seen: Vec::new(),
        }
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// The body broke off.
    pub async fn next(&mut self) -> hyper::Result<Option<Bytes>> {
        loop {
            match soon("more of the answer", self.body.frame()).await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.seen.extend_from_slice(&data);
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// Reads on until `text` has been seen.
    ///
    /// # Panics
    /// The body ends before.
    pub async fn until(&mut self, text: &str) {
        while memchr::memmem::find(&self.seen, text.as_bytes()).is_none() {
            match self.next().await {
                Ok(Some(_)) => {}
                other => panic!("{other:?} before {text:?} in {:?}", self.text()),
            }
        }
    }

    /// What of the body has come.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// Reads the rest.
    pub async fn collect(mut self) -> Answer {
        let whole = loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        Answer {
            status: self.status,
            headers: self.headers,
            version: self.version,
            body: self.seen.into(),
            whole,
        }
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The protocol.
    pub version: Version,
    /// Its body.
    pub body: Bytes,
    /// Whether the body ended as HTTP wants it.
    pub whole: bool,
}

impl Answer {
    /// The body as text.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.body) {
            Ok(text) => text,
            Err(error) => panic!("{error}"),
        }
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// It is none.
    #[must_use]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{error}: {} {}", self.status, self.text()),
        }
    }

    /// A header as text; empty where it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// `data:` of each event of a stream.
    #[must_use]
    pub fn data(&self) -> Vec<&str> {
        let lines = self.text().lines();
        lines
            .filter_map(|line| line.strip_prefix("data: "))
            .collect()
    }

    /// `event:` of each event of a stream.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let lines = self.text().lines();
        lines
            .filter_map(|line| line.strip_prefix("event: "))
            .collect()
    }

    /// `data:` of each event that is JSON.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        let data = self.data().into_iter();
        data.filter_map(|data| serde_json::from_str(data).ok())
            .collect()
    }

    /// Checks status, code and OpenAI's error form; returns the `error` object.
    ///
    /// # Panics
    /// It is something else.
    #[track_caller]
    pub fn is_error(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{} {:?}", self.text(), self.headers);
        assert_eq!(self.header("content-type"), "application/json");
        let body = self.json();
        let error = &body["error"];
        assert_eq!(error["code"], code, "{body}");
        assert!(error["message"].is_string(), "{body}");
        assert!(error["type"].is_string(), "{body}");
        assert!(error.get("param").is_some(), "{body}");
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(1));
        error.clone()
    }

    /// Checks that a stream came whole and ended with this error event and `[DONE]`; returns the `error` object.
    ///
    /// # Panics
    /// It did not.
    #[track_caller]
    pub fn ends_with_error(&self, code: &str) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        let data = self.data();
        let [.., event, last] = data[..] else {
            panic!("too short: {data:?}");
        };
        assert_eq!(last, "[DONE]", "{}", self.text());
        let event: Value = serde_json::from_str(event).unwrap_or_default();
        assert_eq!(event["error"]["code"], code, "{}", self.text());
        assert!(self.whole, "the body's framing is broken");
        event["error"].clone()
    }
}
