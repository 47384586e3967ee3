//! What guards share: how they are set up, when they think, and what becomes of their verdict.
//!
//! A guard is a plugin that judges what a request says. It implements [`Judge`]; [`run`] does the rest: it collects the
//! texts, keeps the deadline, waits (`before`) or lets the frontend begin meanwhile (`overlap`), acts or, in the
//! shadow, only writes down, and never takes a failure for "nothing found".

mod attack;
mod conduct;
mod placeholders;
mod run;
mod thought;
mod types;
mod verdict;

pub use attack::AttackThreshold;
pub use conduct::{BlockConfig, Conduct, Mode, OnError, TIMEOUT};
pub use placeholders::Placeholders;
pub(crate) use run::SKIPPED;
pub use run::{Act, GuardError, Judge, Judgement, edit, run, warn_of_unread};
pub use thought::{Conclusion, Thought};
pub use types::Types;
pub use verdict::{Side, Verdict, VerdictOutcome};

#[cfg(test)]
mod tests;
