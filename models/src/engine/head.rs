//! The encoder's heads with their settings, checked.

use crate::ModelError;
use crate::encoder::{Encoder, HeadInfo, Task};

use super::options::{Combine, EngineOptions, HeadOptions, WindowOptions};
use super::tags::Tags;
use super::windows::{self, Window};

/// A set of heads, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct HeadSet(u64);

/// So many heads can an engine have.
const MOST_HEADS: usize = 64;

impl HeadSet {
    /// With one more.
    pub(crate) fn with(self, head: usize) -> Self {
        Self(self.0 | 1 << head)
    }

    /// Whether it has none.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it has all of the other's.
    pub(crate) fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Its heads in ascending order.
    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..MOST_HEADS).filter(move |head| self.0 >> head & 1 == 1)
    }
}

/// One head, ready for use.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) info: HeadInfo,
    pub(crate) temperature: f32,
    pub(crate) kind: Kind,
    /// Tokens of a window without the special ones.
    body: usize,
    overlap: usize,
    max_windows: usize,
}

/// How a head's numbers are read.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Probabilities of the text's classes: their mean over the windows.
    Mean,
    /// The same, from the window where the columns together are the most probable.
    Max(Vec<usize>),
    /// Labels of tokens.
    Tags(Tags),
    /// A vector.
    Vector,
}

impl Head {
    /// Cuts a text of so many tokens into this head's windows.
    pub(crate) fn cut(&self, tokens: usize) -> Vec<Window> {
        windows::cut(tokens, self.body, self.overlap, self.max_windows)
    }

    /// The tokens that it reads of any text at most.
    pub(crate) fn reach(&self) -> usize {
        windows::reach(self.body, self.overlap, self.max_windows)
    }

    /// Whether it cuts every text as the other does.
    pub(crate) fn cuts_like(&self, other: &Self) -> bool {
        (self.body, self.overlap, self.max_windows)
            == (other.body, other.overlap, other.max_windows)
    }
}

/// The encoder's heads with their settings; every window has `special` tokens besides the text's.
///
/// # Errors
/// [`ModelError::Load`] naming the setting that does not fit.
pub(crate) fn resolve(
    model: &str,
    encoder: &dyn Encoder,
    special: usize,
    options: &EngineOptions,
) -> Result<Vec<Head>, ModelError> {
    let wrong = |reason: String| ModelError::Load {
        model: model.to_owned(),
        reason,
    };
    let heads = encoder.heads();
    if heads.len() > MOST_HEADS {
        return Err(wrong(format!(
            "{} heads; {MOST_HEADS} is the most",
            heads.len()
        )));
    }
    if let Some(name) = options
        .heads
        .keys()
        .find(|name| heads.iter().all(|head| head.name != **name))
    {
        let names: Vec<&str> = heads.iter().map(|head| head.name.as_str()).collect();
        return Err(wrong(format!(
            "heads.{name}: there is no such head; there are {}",
            names.join(", ")
        )));
    }
    heads
        .iter()
        .map(|info| {
            let set = options.heads.get(&info.name);
            one(
                info,
                set.unwrap_or(&options.default_head),
                special,
                encoder.max_tokens(),
            )
            .map_err(|reason| wrong(format!("heads.{}.{reason}", info.name)))
        })
        .collect()
}

fn one(
    info: &HeadInfo,
    options: &HeadOptions,
    special: usize,
    max_tokens: usize,
) -> Result<Head, String> {
    let WindowOptions {
        mut tokens,
        mut overlap,
    } = options.window;
    if max_tokens < tokens {
        // What fits a usual encoder need not fit a small one.
        tokens = max_tokens;
        overlap = overlap.min(max_tokens / 4);
    }
    if tokens <= special + overlap {
        return Err(format!(
            "window: {tokens} tokens leave nothing besides {special} special ones and {overlap} of overlap"
        ));
    }
    if !options.temperature.is_finite() || options.temperature <= 0.0 {
        return Err("temperature: must be above 0".to_owned());
    }
    if options.max_windows == 0 {
        return Err("max_windows: must be at least 1".to_owned());
    }
    if info.task != Task::Embedding && info.labels.len() != info.width {
        return Err(format!(
            "labels: {} for {} columns",
            info.labels.len(),
            info.width
        ));
    }
    let column = |label: &String| {
        let found = info.labels.iter().position(|known| known == label);
        found.ok_or_else(|| {
            format!(
                "combine: no label `{label}`; there are {}",
                info.labels.join(", ")
            )
        })
    };
    let kind = match (info.task, &options.combine) {
        (Task::Sequence, Combine::Mean) => Kind::Mean,
        (Task::Sequence, Combine::Max(labels)) => {
            Kind::Max(labels.iter().map(column).collect::<Result<_, _>>()?)
        }
        (Task::Token, _) => Kind::Tags(Tags::new(
            &info.labels,
            options.threshold,
            &options.thresholds,
        )?),
        (Task::Embedding, _) => Kind::Vector,
    };
    Ok(Head {
        info: info.clone(),
        temperature: options.temperature,
        kind,
        body: tokens - special,
        overlap,
        max_windows: options.max_windows,
    })
}

/// Heads for the tests of what uses them.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests_support {
    use super::*;

    /// A head of an encoder with two special tokens.
    pub(crate) fn head(info: &HeadInfo, options: &HeadOptions) -> Head {
        one(info, options, 2, 512).unwrap()
    }

    /// One that tells `good` from `bad`.
    pub(crate) fn labelled(combine: Combine, temperature: f32) -> Head {
        let info = HeadInfo {
            name: "h".to_owned(),
            task: Task::Sequence,
            labels: vec!["good".to_owned(), "bad".to_owned()],
            width: 2,
        };
        let options = HeadOptions {
            combine,
            temperature,
            ..HeadOptions::default()
        };
        head(&info, &options)
    }
}
