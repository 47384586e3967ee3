//! Guards that think while the frontend works.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::FutureExt;
use http::StatusCode;
use tokio::task::JoinHandle;

use crate::api_error::ApiError;
use crate::exchange::Exchange;
use crate::plugin::{Flow, Reply};

use super::{Side, Verdict, VerdictOutcome};

/// What a guard does to the exchange once it knows.
pub type Conclusion = Box<dyn FnOnce(&mut Exchange) -> Flow + Send>;

/// A guard at work. Dropping it gives the work up.
pub struct Thought {
    /// The guard's name.
    pub guard: &'static str,
    shadow: bool,
    started: Instant,
    task: JoinHandle<Conclusion>,
}

impl fmt::Debug for Thought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thought({})", self.guard)
    }
}

impl Thought {
    /// Starts to think.
    #[must_use]
    pub fn start(
        guard: &'static str,
        shadow: bool,
        work: impl Future<Output = Conclusion> + Send + 'static,
    ) -> Self {
        Self {
            guard,
            shadow,
            started: Instant::now(),
            task: tokio::spawn(work),
        }
    }

    /// Is the verdict there?
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

/// Resolves with the conclusion; `None` where the work panicked.
impl Future for Thought {
    type Output = Option<Conclusion>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx).map(Result::ok)
    }
}

impl Drop for Thought {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Exchange {
    /// Waits for the guards that think beside the frontend's work, until one of them stops the request or all have
    /// concluded; not for those in the shadow. May be dropped and called again: nothing that a guard found is lost.
    pub async fn conclude(&mut self) -> Flow {
        while let Some((guard, conclusion)) = self.next_conclusion(false).await {
            let flow = match conclusion {
                Some(conclusion) => conclusion(self),
                // The guard's own failures are conclusions; this is a mistake in it, and no verdict.
                None => Flow::Reply(Reply::Error(lost(guard))),
            };
            if let Flow::Reply(_) = flow {
                self.give_up_thoughts();
                return flow;
            }
        }
        Flow::Continue
    }

    /// Waits for the guards in the shadow. They change nothing; what they found is counted.
    pub async fn conclude_shadows(&mut self) {
        while let Some((_, conclusion)) = self.next_conclusion(true).await {
            if let Some(conclusion) = conclusion {
                drop(conclusion(self));
            }
        }
    }

    /// The first of the guards, those in the shadow or the others, that knows what to do. `None` once there is no more.
    async fn next_conclusion(
        &mut self,
        shadow: bool,
    ) -> Option<(&'static str, Option<Conclusion>)> {
        let places: Vec<usize> = (0..self.thoughts.len())
            .filter(|index| self.thoughts[*index].shadow == shadow)
            .collect();
        let waiting = self.thoughts.iter_mut().filter(|t| t.shadow == shadow);
        let waiting: Vec<_> = waiting.collect();
        if waiting.is_empty() {
            return None;
        }
        let (conclusion, first, _) = futures::future::select_all(waiting).await;
        let guard = self.thoughts.remove(places[first]).guard;
        Some((guard, conclusion))
    }

    /// Ends the guards that still think about a request whose fate is decided. Those that know by now have their say, so
    /// that what they found is counted; of the others it is counted that they had none. Those in the shadow go on.
    pub fn give_up_thoughts(&mut self) {
        for mut thought in std::mem::take(&mut self.thoughts) {
            match (&mut thought).now_or_never() {
                // It stops nothing any more.
                Some(Some(conclusion)) => drop(conclusion(self)),
                None if thought.shadow => self.thoughts.push(thought),
                Some(None) | None => self.verdicts.push(Verdict {
                    guard: thought.guard,
                    side: Side::Request,
                    outcome: VerdictOutcome::Abandoned,
                    shadow: thought.shadow,
                    labels: Vec::new(),
                    score: None,
                    threshold: None,
                    failure: None,
                    overlapped: true,
                    took: thought.started.elapsed(),
                }),
            }
        }
    }
}

fn lost(guard: &str) -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "guard_unavailable",
        format!("the guard `{guard}` could not check the request"),
    )
}
