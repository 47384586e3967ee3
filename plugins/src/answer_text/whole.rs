//! Answers that are no streams.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::rewriter::{replace, write};
use super::shape::View;
use super::{Channel, Field, Place, RewriteError, Rewriter};
use crate::api::Api;
use crate::body::Edits;
use crate::json::Document;

impl Rewriter {
    /// Takes a whole body through the filters; the same bytes where nothing changes. `true`: a filter has stopped the
    /// answer, and the body ends there and says so.
    ///
    /// # Errors
    /// A filter cannot tell, or the body is no JSON.
    pub async fn body(&mut self, bytes: Bytes) -> Result<(Bytes, bool), RewriteError> {
        let doc = Document::parse(bytes)?;
        let view = View::body(self.api, &doc);
        let mut edits = Edits::default();
        let mut stopped: BTreeSet<u32> = BTreeSet::new();
        let mut changed: BTreeSet<u32> = BTreeSet::new();
        let mut filters = Vec::new();
        let by_choice = matches!(self.api, Api::ChatCompletions | Api::Completions);
        for slot in &view.slots {
            let over = match by_choice {
                true => stopped.contains(&slot.channel.choice),
                false => !stopped.is_empty(),
            };
            if over {
                changed.insert(slot.channel.choice);
                write(&mut edits, slot, nothing(&slot.channel));
                continue;
            }
            let Some(mut filter) = self.channels.make(&slot.channel) else {
                continue;
            };
            let filtered = filter.whole(&slot.text).await?;
            let mut text = filtered.text;
            if filtered.stop {
                stopped.insert(slot.channel.choice);
                if slot.channel.is_json() {
                    // Half of a document is none.
                    nothing(&slot.channel).clone_into(&mut text);
                }
                if let (Some(farewell), true) = (&self.farewell, may_say(slot.channel.field)) {
                    text.push_str(farewell);
                }
            }
            if text != slot.text {
                changed.insert(slot.channel.choice);
            }
            write(&mut edits, slot, &text);
            filters.push((slot.channel, filter));
        }
        for logprobs in &view.logprobs {
            if changed.contains(&logprobs.choice) {
                let _ = edits.replace(logprobs.range.clone(), logprobs.with);
            }
        }
        for notes in &view.notes {
            if changed.contains(&notes.channel.choice) {
                let mut mine = filters.iter().filter(|(c, _)| *c == notes.channel);
                // Of a text in several parts nobody knows what offsets count.
                let filter = mine.next().filter(|_| mine.next().is_none());
                let kept = notes.items.iter().map(|note| match (filter, note.piece()) {
                    (Some((_, filter)), Some(piece)) => note.at(&doc, &filter.place(&piece)),
                    (_, None) => note.at(&doc, &Place::At(0..0)),
                    (None, Some(_)) => None,
                });
                notes.write(&mut edits, &doc, &kept.collect::<Vec<_>>());
            }
        }
        if stopped.is_empty() && edits.is_empty() {
            return Ok((doc.bytes().clone(), false));
        }
        self.say_why(&doc, &view, &stopped, &mut edits);
        Ok((edits.apply(doc.bytes()), !stopped.is_empty()))
    }

    fn say_why(&self, doc: &Document, view: &View, stopped: &BTreeSet<u32>, edits: &mut Edits) {
        if stopped.is_empty() {
            return;
        }
        match self.api {
            Api::Responses => {
                for (name, value) in [
                    ("status", r#""incomplete""#),
                    ("incomplete_details", r#"{"reason":"content_filter"}"#),
                ] {
                    if let Some(old) = doc.root().get(name) {
                        replace(edits, doc, old.range(), value);
                    }
                }
            }
            Api::Messages => {
                for (_, reason) in &view.reasons {
                    replace(edits, doc, reason.clone(), r#""refusal""#);
                }
            }
            _ => {
                let reasons = view.reasons.iter();
                for (_, reason) in reasons.filter(|(choice, _)| stopped.contains(choice)) {
                    replace(edits, doc, reason.clone(), r#""content_filter""#);
                }
            }
        }
    }
}

/// The shortest text that a channel can carry.
fn nothing(channel: &Channel) -> &'static str {
    match channel.is_json() {
        true => "{}",
        false => "",
    }
}

fn may_say(field: Field) -> bool {
    matches!(
        field,
        Field::Content | Field::Text | Field::OutputText | Field::BlockText
    )
}
