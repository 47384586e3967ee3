//! The channels of one answer and what stands between the frontend and the client in each.

use std::ops::Range;

use xxhash_rust::xxh3::Xxh3;

use super::shape::View;
use super::{Channel, Filtered, Kind, MakeFilter, Place, RewriteError, TextFilter};
use crate::guard::GuardError;

/// More texts than this nobody says at once.
const MAX: usize = 4096;

/// One channel.
pub(super) struct State {
    filter: Option<Box<dyn TextFilter>>,
    /// Text may be held back.
    open: bool,
    /// The item of the Responses API.
    pub(super) item_id: String,
    /// What the frontend said, as a digest.
    heard: Xxh3,
    heard_bytes: usize,
    /// What passed, as a digest.
    passed: Xxh3,
    passed_bytes: usize,
    /// What the client read; only kept where the API repeats it.
    pub(super) said: String,
    keep: bool,
    /// A repetition said something else than the text: nobody knows what offsets count.
    astray: bool,
}

impl State {
    /// Is there a filter at all?
    pub(super) fn is_filtered(&self) -> bool {
        self.filter.is_some()
    }

    pub(super) async fn push(&mut self, text: &str) -> Result<Filtered, GuardError> {
        self.hear(text);
        let filtered = match &mut self.filter {
            Some(filter) if !text.is_empty() => {
                self.open = true;
                filter.push(text).await?
            }
            _ => Filtered::text(text),
        };
        self.say(&filtered.text);
        Ok(filtered)
    }

    pub(super) async fn finish(&mut self) -> Result<Filtered, GuardError> {
        let filtered = match &mut self.filter {
            Some(filter) if self.open => filter.finish().await?,
            _ => Filtered::default(),
        };
        self.open = false;
        self.say(&filtered.text);
        Ok(filtered)
    }

    /// The text that stands for `text`, which repeats all that was said.
    pub(super) async fn repeat(&mut self, text: &str) -> Result<Filtered, GuardError> {
        let Some(filter) = &mut self.filter else {
            return Ok(Filtered::text(text));
        };
        if text.len() == self.heard_bytes && digest(text) == self.heard.digest() {
            return Ok(Filtered::text(self.said.clone()));
        }
        self.astray |= self.heard_bytes > 0;
        // Something else: nobody has looked at it yet.
        let filtered = filter.whole(text).await?;
        self.heard = Xxh3::new();
        self.heard_bytes = 0;
        self.hear(text);
        self.passed = Xxh3::new();
        self.passed_bytes = 0;
        self.said.clear();
        self.say(&filtered.text);
        Ok(filtered)
    }

    /// Has all that was heard passed, and unchanged?
    pub(super) fn is_same(&self) -> bool {
        self.filter.is_none()
            || (self.heard_bytes == self.passed_bytes
                && self.heard.digest() == self.passed.digest())
    }

    /// Where a piece of what was heard, in characters, stands in what has passed.
    pub(super) fn place(&self, piece: &Range<usize>) -> Place {
        match &self.filter {
            None => Place::At(piece.clone()),
            Some(_) if self.astray => match self.is_same() {
                true => Place::At(piece.clone()),
                false => Place::Gone,
            },
            Some(filter) => filter.place(piece),
        }
    }

    fn hear(&mut self, text: &str) {
        if self.filter.is_some() {
            self.heard.update(text.as_bytes());
            self.heard_bytes += text.len();
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        if self.filter.is_some() {
            self.passed.update(text.as_bytes());
            self.passed_bytes += text.len();
        }
        if self.keep {
            self.said.push_str(text);
        }
    }
}

fn digest(text: &str) -> u64 {
    let mut digest = Xxh3::new();
    digest.update(text.as_bytes());
    digest.digest()
}

/// All channels of one answer.
pub(super) struct Channels {
    make: MakeFilter,
    /// Keep what is said?
    keep: bool,
    list: Vec<(Channel, State)>,
}

impl Channels {
    pub(super) fn new(make: MakeFilter, keep: bool) -> Self {
        Self {
            make,
            keep,
            list: Vec::new(),
        }
    }

    /// A filter that nobody else uses.
    pub(super) fn make(&self, channel: &Channel) -> Option<Box<dyn TextFilter>> {
        (self.make)(channel)
    }

    pub(super) fn get(&mut self, channel: &Channel) -> Result<&mut State, RewriteError> {
        let known = self.list.iter().position(|(other, _)| other == channel);
        let index = match known {
            Some(index) => index,
            None if self.list.len() >= MAX => return Err(RewriteError::TooMany),
            None => {
                let state = State {
                    filter: (self.make)(channel),
                    open: false,
                    item_id: String::new(),
                    heard: Xxh3::new(),
                    heard_bytes: 0,
                    passed: Xxh3::new(),
                    passed_bytes: 0,
                    said: String::new(),
                    keep: self.keep,
                    astray: false,
                };
                self.list.push((*channel, state));
                self.list.len() - 1
            }
        };
        Ok(&mut self.list[index].1)
    }

    /// Channels with text held back that end before what a document says: those that it closes without saying more in
    /// them, and reasoning where something else begins.
    pub(super) fn ending(&self, view: &View) -> Vec<Channel> {
        let says = |channel: &Channel| {
            let mut slots = view.slots.iter();
            slots.any(|slot| slot.channel == *channel && !slot.repeats)
        };
        let moves_on = |channel: &Channel| {
            channel.kind() == Kind::Reasoning
                && view.slots.iter().any(|slot| {
                    slot.channel.choice == channel.choice
                        && slot.channel.kind() != Kind::Reasoning
                        && !slot.text.is_empty()
                })
        };
        let ends = |channel: &Channel| {
            view.closes.iter().any(|close| close.covers(channel)) || moves_on(channel)
        };
        let open = self.list.iter().filter(|(_, state)| state.open);
        open.map(|(channel, _)| *channel)
            .filter(|channel| ends(channel) && !says(channel))
            .collect()
    }

    /// All channels in order of appearance.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Channel, &State)> {
        self.list.iter().map(|(channel, state)| (channel, state))
    }

    /// Is every text of a choice said as it was heard, nothing held back?
    pub(super) fn are_same(&self, choice: u32) -> bool {
        let mut states = self.list.iter();
        states.all(|(channel, state)| channel.choice != choice || state.is_same())
    }

    /// Does anybody look at the texts of a choice?
    pub(super) fn is_filtered(&self, choice: u32) -> bool {
        let mut states = self.list.iter();
        states.any(|(channel, state)| channel.choice == choice && state.is_filtered())
    }

    /// Channels with text held back.
    pub(super) fn open(&self) -> Vec<Channel> {
        let open = self.list.iter().filter(|(_, state)| state.open);
        open.map(|(channel, _)| *channel).collect()
    }
}
