//! Where an API puts texts: what is read from one event or body before anything is changed.

use std::borrow::Cow;
use std::ops::Range;

use super::Channel;
use super::annotations::Notes;
use crate::api::Api;
use crate::json::{Document, Kind, Value};

use super::{anthropic, openai, responses};

/// A text in a document.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) channel: Channel,
    /// The JSON value in the document's bytes.
    pub(super) range: Range<usize>,
    pub(super) text: String,
    /// Is the value the text itself (an object of tool arguments), or a string that holds it?
    pub(super) raw: bool,
    pub(super) repeats: bool,
}

/// What repeats the tokens of a choice's texts.
#[derive(Debug)]
pub(super) struct LogProbs {
    pub(super) choice: u32,
    pub(super) range: Range<usize>,
    /// What takes its place when a text changes.
    pub(super) with: &'static str,
    /// Does the document say the text that the tokens belong to, or end the choice?
    pub(super) spoken: bool,
}

/// Which channels end with a document, before its own texts unless they are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// All of one choice (or item).
    Choice(u32),
    /// One content block of a choice.
    Part(u32, u32),
    /// One channel.
    Channel(Channel),
    /// Everything.
    All,
}

impl Close {
    pub(super) fn covers(self, channel: &Channel) -> bool {
        match self {
            Self::Choice(choice) => channel.choice == choice,
            Self::Part(choice, part) => channel.choice == choice && channel.part == part,
            Self::Channel(other) => *channel == other,
            Self::All => true,
        }
    }
}

/// What a document says.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) slots: Vec<Slot>,
    pub(super) logprobs: Vec<LogProbs>,
    pub(super) notes: Vec<Notes>,
    pub(super) closes: Vec<Close>,
    /// Choices (items, blocks) that the document begins or goes on with.
    pub(super) opened: Vec<u32>,
    /// Those that it ends.
    pub(super) closed: Vec<u32>,
    /// Where it says why a choice ended, by choice.
    pub(super) reasons: Vec<(u32, Range<usize>)>,
}

impl View {
    /// Reads an event of a stream.
    pub(super) fn event(api: Api, doc: &Document) -> Self {
        let mut view = Self::default();
        match api {
            Api::ChatCompletions => openai::chat_event(doc.root(), &mut view),
            Api::Completions => openai::text(doc.root(), true, &mut view),
            Api::Responses => responses::event(doc.root(), &mut view),
            Api::Messages => anthropic::event(doc.root(), &mut view),
            _ => {}
        }
        if doc
            .root()
            .get("error")
            .is_some_and(|error| !error.is_null())
        {
            view.closes.push(Close::All);
        }
        view
    }

    /// Reads a whole body.
    pub(super) fn body(api: Api, doc: &Document) -> Self {
        let mut view = Self::default();
        match api {
            Api::ChatCompletions => openai::chat_body(doc.root(), &mut view),
            Api::Completions => openai::text(doc.root(), false, &mut view),
            Api::Responses => responses::body(doc.root(), &mut view),
            Api::Messages => anthropic::body(doc.root(), &mut view),
            _ => {}
        }
        view
    }

    /// Notes a string; other values are no texts.
    pub(super) fn string(&mut self, channel: Channel, value: Option<Value<'_>>) -> bool {
        self.slot(channel, value, false)
    }

    /// Notes a string that repeats a channel's whole text.
    pub(super) fn repetition(&mut self, channel: Channel, value: Option<Value<'_>>) -> bool {
        self.slot(channel, value, true)
    }

    fn slot(&mut self, channel: Channel, value: Option<Value<'_>>, repeats: bool) -> bool {
        let Some((range, text)) = value.and_then(|v| Some((v.range(), v.as_str()?))) else {
            return false;
        };
        self.slots.push(Slot {
            channel,
            range,
            text: Cow::into_owned(text),
            raw: false,
            repeats,
        });
        true
    }

    /// Notes an object or array whose JSON is the text.
    pub(super) fn raw(&mut self, channel: Channel, value: Value<'_>) {
        self.slots.push(Slot {
            channel,
            range: value.range(),
            text: value.raw().to_owned(),
            raw: true,
            repeats: false,
        });
    }

    /// Notes the `logprobs` of a choice, whose texts are the slots from `first` on; `with` takes their place.
    pub(super) fn logprobs(
        &mut self,
        choice: u32,
        first: usize,
        value: Option<Value<'_>>,
        with: &'static str,
    ) {
        let Some(value) = value.filter(|value| !value.is_null()) else {
            return;
        };
        let mut slots = self.slots.iter().skip(first);
        self.logprobs.push(LogProbs {
            choice,
            range: value.range(),
            with,
            spoken: slots.any(|slot| !slot.text.is_empty()),
        });
    }

    /// Notes what points into a channel's text.
    pub(super) fn annotations(&mut self, channel: Channel, value: Option<Value<'_>>) {
        self.notes
            .extend(value.and_then(|value| Notes::read(channel, value)));
    }
}

/// A small whole number, `default` where there is none.
pub(super) fn index(value: Option<Value<'_>>, default: u32) -> u32 {
    value
        .and_then(|value| value.as_u64())
        .and_then(|value| u32::try_from(value).ok())
        .unwrap_or(default)
}

/// A value's items with their positions. Numbers inside arrays have none, so positions are those of the others.
pub(super) fn items(value: Option<Value<'_>>) -> impl Iterator<Item = (u32, Value<'_>)> {
    let items = value.into_iter().flat_map(|value| value.items());
    (0..).zip(items)
}

pub(super) fn is_container(value: &Value<'_>) -> bool {
    matches!(value.kind(), Kind::Object | Kind::Array)
}
