//! Several filters behind each other.

use std::ops::Range;

use async_trait::async_trait;

use super::{Filtered, Place, TextFilter};
use crate::guard::GuardError;

/// Each filter sees what the one before it lets pass.
pub struct Chained(pub Vec<Box<dyn TextFilter>>);

/// What is asked of a filter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    Push,
    Finish,
    Whole,
}

impl Chained {
    async fn run(&mut self, mut text: String, ask: Ask) -> Result<Filtered, GuardError> {
        let (mut ask, mut stop) = (ask, false);
        for filter in &mut self.0 {
            let filtered = match ask {
                Ask::Push if text.is_empty() => Filtered::default(),
                Ask::Push => filter.push(&text).await?,
                Ask::Whole => filter.whole(&text).await?,
                Ask::Finish => {
                    let mut filtered = match text.is_empty() {
                        true => Filtered::default(),
                        false => filter.push(&text).await?,
                    };
                    if !filtered.stop {
                        let rest = filter.finish().await?;
                        filtered.text.push_str(&rest.text);
                        filtered.stop = rest.stop;
                    }
                    filtered
                }
            };
            text = filtered.text;
            if filtered.stop {
                // What lies before the end is all that comes: those behind must let go of it.
                stop = true;
                if ask == Ask::Push {
                    ask = Ask::Finish;
                }
            }
        }
        Ok(Filtered { text, stop })
    }
}

#[async_trait]
impl TextFilter for Chained {
    async fn push(&mut self, text: &str) -> Result<Filtered, GuardError> {
        self.run(text.to_owned(), Ask::Push).await
    }

    async fn finish(&mut self) -> Result<Filtered, GuardError> {
        self.run(String::new(), Ask::Finish).await
    }

    async fn whole(&mut self, text: &str) -> Result<Filtered, GuardError> {
        self.run(text.to_owned(), Ask::Whole).await
    }

    fn place(&self, piece: &Range<usize>) -> Place {
        let mut at = piece.clone();
        for filter in &self.0 {
            match filter.place(&at) {
                Place::At(next) => at = next,
                lost => return lost,
            }
        }
        Place::At(at)
    }
}
