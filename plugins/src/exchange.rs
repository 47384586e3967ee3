//! One request and its answer as signals and plugins see them.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::api::Api;
use crate::body::RequestBody;
use crate::conversation::Conversation;
use crate::finding::Finding;
use crate::guard::{Thought, Verdict};
use crate::model::{ModelConfig, Reasoning};
use crate::understand::Inspections;

/// The head of a request as the client sent it.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The path without query.
    pub path: String,
    /// The query without `?`.
    pub query: Option<String>,
    /// All headers. The client's `authorization` is among them: never log this.
    pub headers: HeaderMap,
    /// The client's address.
    pub client: Option<IpAddr>,
}

impl Default for RequestHead {
    fn default() -> Self {
        Self {
            method: Method::POST,
            path: "/v1/chat/completions".to_owned(),
            query: None,
            headers: HeaderMap::new(),
            client: None,
        }
    }
}

/// A change to a header block, applied in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderChange {
    /// Replaces all values.
    Set(HeaderName, HeaderValue),
    /// Adds a value.
    Append(HeaderName, HeaderValue),
    /// Removes all values.
    Remove(HeaderName),
}

/// What the policy chose for a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The decision's name; `None` where no decision applied (default model, or a concrete model).
    pub decision: Option<Arc<str>>,
    /// The decision's confidence, 0 to 1.
    pub confidence: f32,
    /// The model that answers.
    pub model: Arc<ModelConfig>,
    /// Models to try next when no frontend can serve `model`, in order.
    pub fallback: Vec<Arc<ModelConfig>>,
}

/// One request on its way through the gateway.
#[derive(Debug)]
pub struct Exchange {
    /// `x-request-id`: the client's, or a new UUIDv7.
    pub id: String,
    /// The API it speaks.
    pub api: Api,
    /// The request's head as it came.
    pub head: RequestHead,
    /// The request's body with the edits so far.
    pub body: RequestBody,
    /// What the request says.
    pub conversation: Conversation,
    /// The `model` the client asked for; empty where the API needs none and none was given.
    pub requested_model: String,
    /// Did the client leave the choice of the model to the policy?
    pub automatic: bool,
    /// Did the client ask for a stream?
    pub stream: bool,
    /// Did the client itself ask for usage at the end of the stream?
    pub usage_wanted: bool,
    /// Set once the policy has decided.
    pub chosen: Option<Chosen>,
    /// The names of the rules that matched, by kind of signal (`keywords`, `language`, ...).
    pub matched: Vec<(&'static str, Vec<Arc<str>>)>,
    /// The domain that won, if domains were classified.
    pub category: Option<String>,
    /// Reasoning that a plugin asked for; written into the body for the model's family when it is rendered.
    pub reasoning: Option<Reasoning>,
    /// Did a plugin add or replace a system prompt?
    pub system_prompt_injected: bool,
    /// What guards found.
    pub findings: Vec<Finding>,
    /// What guards decided, in the order of their verdicts.
    pub verdicts: Vec<Verdict>,
    /// Guards that think beside the frontend's work; the answer waits for them.
    pub thoughts: Vec<Thought>,
    /// The model that a guard wants to answer instead of the chosen one.
    pub reroute: Option<String>,
    /// What was asked of the models.
    pub inspections: Inspections,
    /// Values of `x-vsr-response-warnings`.
    pub warnings: Vec<&'static str>,
    /// Changes to the headers that go upstream.
    pub upstream_headers: Vec<HeaderChange>,
    /// Changes to the headers that go back to the client.
    pub response_headers: Vec<HeaderChange>,
    /// When the request's head had arrived.
    pub started: Instant,
    /// What plugins keep about this request between their calls.
    pub extensions: Extensions,
}

impl Exchange {
    /// The first value of a request header as text; `None` where it is absent or no visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// Text `index` of the conversation, decoded.
    #[must_use]
    pub fn text(&self, index: usize) -> &str {
        self.conversation.text(self.body.document(), index)
    }

    /// The names that matched for one kind of signal.
    #[must_use]
    pub fn matched(&self, kind: &str) -> &[Arc<str>] {
        self.matched
            .iter()
            .find(|(k, _)| *k == kind)
            .map_or(&[], |(_, names)| names)
    }
}

/// A map from type to value: each plugin keeps its own state of a request under its own type.
#[derive(Default)]
pub struct Extensions(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl std::fmt::Debug for Extensions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Extensions({})", self.0.len())
    }
}

impl Extensions {
    /// The value of type `T`, if there is one.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// The value of type `T`, made by `Default` at first.
    pub fn get_or_default<T: Any + Send + Sync + Default>(&mut self) -> &mut T {
        let entry = self
            .0
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Box::new(T::default()));
        if !entry.is::<T>() {
            // Cannot happen: the key is the type. Starting anew is better than a panic on the request path.
            *entry = Box::new(T::default());
        }
        match entry.downcast_mut() {
            Some(value) => value,
            None => unreachable!("the entry was just made of this type"),
        }
    }

    /// Stores `value`, replacing an earlier one of its type.
    pub fn insert<T: Any + Send + Sync>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Box::new(value));
    }
}
