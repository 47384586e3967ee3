//! One answer on its way through the filters.

mod ending;
mod pointing;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::channels::Channels;
use super::frame::{Data, Frame, event};
use super::shape::{Close, Slot, View};
use super::{Channel, MakeFilter, RewriteError};
use super::{anthropic, openai, responses};
use crate::api::Api;
use crate::body::{EditConflict, Edits};
use crate::json::{Document, quote};
use pointing::Deferred;

/// What became of an event.
#[derive(Debug, Default)]
pub struct Rewritten {
    /// The events in its place, in order.
    pub events: Vec<Bytes>,
    /// A filter has stopped the answer: these are the last events, and they say so.
    pub stopped: bool,
}

/// Ends an event that came without its blank line.
const BLANK: Bytes = Bytes::from_static(b"\n\n");

/// Takes one answer through its filters.
pub struct Rewriter {
    pub(super) api: Api,
    pub(super) channels: Channels,
    /// What the assistant says behind the text where a filter stopped the answer.
    pub(super) farewell: Option<String>,
    /// The last chunk with choices, of which others are made.
    envelope: Option<Bytes>,
    /// The tokens of output that the frontend has counted so far, where its API says that on the way.
    counted: u64,
    /// Choices, items or blocks that have begun and not ended.
    open: BTreeSet<u32>,
    /// How many events of ours the Responses API's count has, and the number of the last event.
    shift: i64,
    last: Option<u64>,
    /// Annotations of texts that are held back.
    deferred: Vec<Deferred>,
    /// `response` of the first event and the items of the output, for an ending.
    response: Option<Bytes>,
    items: BTreeMap<u32, Bytes>,
    closed: BTreeSet<u32>,
    stopped: bool,
    /// The last event came without its blank line.
    cut_off: bool,
}

impl Rewriter {
    /// For an answer of `api`, with the filters that `make` makes.
    #[must_use]
    pub fn new(api: Api, make: MakeFilter) -> Self {
        Self {
            api,
            channels: Channels::new(make, api == Api::Responses),
            farewell: None,
            envelope: None,
            counted: 0,
            open: BTreeSet::new(),
            shift: 0,
            deferred: Vec::new(),
            last: None,
            response: None,
            items: BTreeMap::new(),
            closed: BTreeSet::new(),
            stopped: false,
            cut_off: false,
        }
    }

    /// Lets the assistant say `text` where a filter stops the answer.
    #[must_use]
    pub fn with_farewell(mut self, text: Option<String>) -> Self {
        self.farewell = text.filter(|text| !text.is_empty());
        self
    }

    /// Takes one event of a stream, as [`crate::sse::SseDecoder`] cuts them.
    ///
    /// # Errors
    /// A filter cannot tell, or the event's data is no JSON.
    pub async fn event(&mut self, bytes: Bytes) -> Result<Rewritten, RewriteError> {
        let mut out = Rewritten::default();
        if self.stopped {
            return Ok(out);
        }
        let frame = Frame::new(bytes);
        self.cut_off = !frame.is_whole();
        match frame.data() {
            Data::None => out.events.push(frame.bytes().clone()),
            Data::Unreadable(error) => return Err(error.into()),
            Data::Done => {
                let open = self.channels.open();
                if !self.flush(open, None, &mut out).await? {
                    self.release(&[Close::All], None, &mut out);
                    out.events.push(frame.bytes().clone());
                }
            }
            Data::Json(doc) => self.document(&frame, &doc, &mut out).await?,
        }
        Ok(out)
    }

    /// The stream is over, or broke off: what is still held back.
    ///
    /// # Errors
    /// A filter cannot tell.
    pub async fn end(&mut self) -> Result<Rewritten, RewriteError> {
        let mut out = Rewritten::default();
        if !self.stopped {
            let open = self.channels.open();
            if !self.flush(open, None, &mut out).await? {
                self.release(&[Close::All], None, &mut out);
            }
        }
        if self.cut_off && !out.events.is_empty() {
            out.events.insert(0, BLANK);
        }
        Ok(out)
    }

    async fn document(
        &mut self,
        frame: &Frame,
        doc: &Document,
        out: &mut Rewritten,
    ) -> Result<(), RewriteError> {
        let view = View::event(self.api, doc);
        self.remember(doc, &view);
        let ending = self.channels.ending(&view);
        if self.flush(ending, Some(doc), out).await? {
            return Ok(());
        }
        let mut edits = Edits::default();
        let stop = self.texts(doc, &view, &mut edits).await?;
        if stop.is_some() {
            for (_, reason) in &view.reasons {
                replace(&mut edits, doc, reason.clone(), "null");
            }
        }
        self.logprobs(&view, stop.is_some(), &mut edits);
        if !self.notes(doc, &view, &mut edits)? {
            // The event has gone, or comes later.
            self.shift -= i64::from(sequence(doc).is_some());
            return Ok(());
        }
        let ends = !view.closes.is_empty() && stop.is_none();
        if ends {
            self.release(&view.closes, Some(doc), out);
        }
        self.renumber(doc, &mut edits);
        out.events.push(match edits.is_empty() {
            true => frame.bytes().clone(),
            false => frame.with(&edits.apply(doc.bytes())),
        });
        self.open.extend(&view.opened);
        if let Some(channel) = stop {
            if self.cut_off {
                out.events.push(BLANK);
            }
            self.stop(channel, None, out);
            return Ok(());
        }
        if !ends {
            self.release(&[], None, out);
        }
        for number in &view.closed {
            self.open.remove(number);
            self.closed.insert(*number);
        }
        Ok(())
    }

    /// Takes the texts of a document through their filters. Returns the channel in which one stopped the answer.
    async fn texts(
        &mut self,
        doc: &Document,
        view: &View,
        edits: &mut Edits,
    ) -> Result<Option<Channel>, RewriteError> {
        let mut stopped = None;
        for (index, slot) in view.slots.iter().enumerate() {
            let state = self.channels.get(&slot.channel)?;
            if !slot.repeats && state.item_id.is_empty() {
                state.item_id = item_id(doc);
            }
            if stopped.is_some() {
                write(edits, slot, "");
                continue;
            }
            if !state.is_filtered() {
                if !slot.repeats {
                    state.push(&slot.text).await?;
                }
                continue;
            }
            // Of an object no half can be handed on.
            let mut filtered = match slot.repeats || slot.raw {
                true => state.repeat(&slot.text).await?,
                false => state.push(&slot.text).await?,
            };
            let closing = view.closes.iter().any(|close| close.covers(&slot.channel))
                && is_last(&view.slots, index);
            if closing && !filtered.stop && !slot.repeats {
                let rest = state.finish().await?;
                filtered.text.push_str(&rest.text);
                filtered.stop = rest.stop;
            }
            if filtered.stop {
                stopped = Some(slot.channel);
                if slot.raw {
                    filtered.text.clear();
                }
            }
            write(edits, slot, &filtered.text);
        }
        Ok(stopped)
    }

    /// Hands out what channels hold back, each in an event of its own. `true`: a filter has stopped the answer.
    async fn flush(
        &mut self,
        channels: Vec<Channel>,
        doc: Option<&Document>,
        out: &mut Rewritten,
    ) -> Result<bool, RewriteError> {
        for channel in channels {
            let filtered = self.channels.get(&channel)?.finish().await?;
            if !filtered.text.is_empty() {
                out.events.push(self.say(&channel, &filtered.text, doc)?);
            }
            if filtered.stop {
                self.stop(channel, doc, out);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An event that says `text` in a channel. `doc` is the event that it goes in front of.
    fn say(
        &mut self,
        channel: &Channel,
        text: &str,
        doc: Option<&Document>,
    ) -> Result<Bytes, RewriteError> {
        Ok(match self.api {
            Api::Messages => {
                let data = anthropic::delta(channel, text);
                event(Some("content_block_delta"), data.as_bytes())
            }
            Api::Responses => {
                let number = self.number(doc);
                let item_id = &self.channels.get(channel)?.item_id;
                let data = responses::delta(channel, text, item_id, number);
                event(Some(responses::event_name(channel.field)), data.as_bytes())
            }
            api => {
                let choices = openai::choice(channel, text);
                self.chunk(&choices, api == Api::Completions)
            }
        })
    }

    /// A chunk of ours, made of the last one of the frontend.
    fn chunk(&self, choices: &str, text_api: bool) -> Bytes {
        let envelope = self.envelope.clone();
        let envelope = envelope.and_then(|bytes| Document::parse(bytes).ok());
        match openai::chunk(envelope.as_ref(), choices, text_api) {
            Ok(data) => event(None, &data),
            Err(EditConflict { .. }) => Bytes::new(),
        }
    }

    /// The number of an event of ours in front of `doc`, and from then on one more for all others.
    fn number(&mut self, doc: Option<&Document>) -> Option<u64> {
        let number = match doc {
            Some(doc) => sequence(doc).map(|number| number.saturating_add_signed(self.shift)),
            None => self.last.map(|number| number + 1),
        };
        if number.is_some() {
            self.shift += 1;
            self.last = number;
        }
        number
    }

    fn renumber(&mut self, doc: &Document, edits: &mut Edits) {
        if self.api != Api::Responses {
            return;
        }
        let Some(number) = sequence(doc) else { return };
        let number = number.saturating_add_signed(self.shift);
        self.last = Some(number);
        if let (Some(value), true) = (doc.root().get("sequence_number"), self.shift != 0) {
            replace(edits, doc, value.range(), &number.to_string());
        }
    }

    /// Keeps what events of ours are made of.
    fn remember(&mut self, doc: &Document, view: &View) {
        let root = doc.root();
        match self.api {
            Api::ChatCompletions | Api::Completions if root.get("choices").is_some() => {
                self.envelope = Some(doc.bytes().clone());
            }
            Api::Messages => {
                self.counted = self.counted.max(anthropic::counted(root).unwrap_or(0));
            }
            Api::Responses => {
                let piece = |name: &str| {
                    let value = root.get(name)?;
                    Some(doc.bytes().slice(value.range()))
                };
                if self.response.is_none() {
                    self.response = piece("response");
                }
                if let (Some(number), Some(item)) = (view.opened.first(), piece("item")) {
                    self.items.entry(*number).or_insert(item);
                }
            }
            _ => {}
        }
    }
}

/// Is this the last text of its channel in the document?
fn is_last(slots: &[Slot], index: usize) -> bool {
    let mut later = slots.iter().skip(index + 1);
    !later.any(|slot| slot.channel == slots[index].channel && !slot.repeats)
}

fn item_id(doc: &Document) -> String {
    let id = doc.root().get("item_id").and_then(|id| id.as_str());
    id.map(std::borrow::Cow::into_owned).unwrap_or_default()
}

fn sequence(doc: &Document) -> Option<u64> {
    doc.root().get("sequence_number")?.as_u64()
}

/// Puts a text into its place, unless it is there already.
pub(super) fn write(edits: &mut Edits, slot: &Slot, text: &str) {
    if text == slot.text {
        return;
    }
    let value = match slot.raw {
        true if text.is_empty() => "{}".to_owned(),
        true => text.to_owned(),
        false => quote(text),
    };
    // Slots are values of their own, which never overlap.
    let _ = edits.replace(slot.range.clone(), value);
}

/// Replaces a value, unless it is the same.
pub(super) fn replace(
    edits: &mut Edits,
    doc: &Document,
    range: std::ops::Range<usize>,
    with: &str,
) {
    if doc.bytes()[range.clone()] != *with.as_bytes() {
        let _ = edits.replace(range, with.to_owned());
    }
}
