//! What an answer says about its texts: tokens and their probabilities, annotations with offsets.

use bytes::Bytes;

use super::super::annotations::Note;
use super::super::frame::event;
use super::super::shape::{Close, View};
use super::super::{Channel, Place, RewriteError};
use super::{Rewriter, Rewritten, openai, replace, responses};
use crate::api::Api;
use crate::body::Edits;
use crate::json::Document;

/// An annotation that waits for its text.
pub(super) struct Deferred {
    channel: Channel,
    doc: Document,
    note: Note,
}

impl Rewriter {
    /// Removes the tokens of texts that were changed, and of those that are held back.
    pub(super) fn logprobs(&self, view: &View, stopped: bool, edits: &mut Edits) {
        for logprobs in &view.logprobs {
            let same = !stopped && self.channels.are_same(logprobs.choice);
            let ends = view.closed.contains(&logprobs.choice);
            // Tokens without text run ahead of it.
            let ahead = !logprobs.spoken && !ends && self.channels.is_filtered(logprobs.choice);
            if !same || ahead {
                let _ = edits.replace(logprobs.range.clone(), logprobs.with);
            }
        }
    }

    /// Lets the annotations of a document follow their texts. `false`: the document is an annotation whose text has gone,
    /// or is held back.
    pub(super) fn notes(
        &mut self,
        doc: &Document,
        view: &View,
        edits: &mut Edits,
    ) -> Result<bool, RewriteError> {
        for notes in &view.notes {
            let state = self.channels.get(&notes.channel)?;
            if !state.is_filtered() {
                continue;
            }
            let ends = view.closes.iter().any(|close| close.covers(&notes.channel));
            let mut kept = Vec::with_capacity(notes.items.len());
            for note in &notes.items {
                let place = match note.piece() {
                    Some(piece) => match state.place(&piece) {
                        // It points behind the text's end: as the frontend said, if nothing has changed.
                        Place::Held if ends && state.is_same() => Place::At(piece),
                        place => place,
                    },
                    None => Place::At(0..0),
                };
                if place == Place::Held && !ends {
                    self.deferred.push(Deferred {
                        channel: notes.channel,
                        doc: doc.clone(),
                        note: note.clone(),
                    });
                }
                kept.push(note.at(doc, &place));
            }
            match (is_event(doc), kept.as_slice()) {
                (true, [Some(json)]) => replace(edits, doc, notes.range.clone(), json),
                (true, _) => return Ok(false),
                (false, kept) => notes.write(edits, doc, kept),
            }
        }
        Ok(true)
    }

    /// Hands out the annotations whose texts have passed, in front of `doc`; all those of the channels that end.
    pub(super) fn release(
        &mut self,
        closes: &[Close],
        doc: Option<&Document>,
        out: &mut Rewritten,
    ) {
        for deferred in std::mem::take(&mut self.deferred) {
            let Ok(state) = self.channels.get(&deferred.channel) else {
                continue;
            };
            let Some(piece) = deferred.note.piece() else {
                continue;
            };
            let ends = closes.iter().any(|close| close.covers(&deferred.channel));
            let place = match state.place(&piece) {
                Place::Held if !ends => {
                    self.deferred.push(deferred);
                    continue;
                }
                Place::Held if state.is_same() => Place::At(piece),
                place => place,
            };
            if let Some(json) = deferred.note.at(&deferred.doc, &place) {
                let event = self.annotation(&deferred, &json, doc);
                out.events.push(event);
            }
        }
    }

    fn annotation(&mut self, deferred: &Deferred, json: &str, doc: Option<&Document>) -> Bytes {
        if self.api != Api::Responses {
            let choices = openai::annotated(&deferred.channel, json);
            return self.chunk(&choices, false);
        }
        let mut edits = Edits::default();
        replace(&mut edits, &deferred.doc, deferred.note.range.clone(), json);
        let number = self.number(doc);
        if let (Some(value), Some(number)) = (deferred.doc.root().get("sequence_number"), number) {
            replace(
                &mut edits,
                &deferred.doc,
                value.range(),
                &number.to_string(),
            );
        }
        event(
            Some(responses::ANNOTATION),
            &edits.apply(deferred.doc.bytes()),
        )
    }
}

/// Is the document nothing but an annotation?
fn is_event(doc: &Document) -> bool {
    let kind = doc.root().get("type").and_then(|kind| kind.as_str());
    kind.as_deref() == Some(responses::ANNOTATION)
}
