//! Guards that think while the frontend works.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

use crate::exchange::Exchange;
use crate::plugin::Flow;

/// What a guard does to the exchange once it knows.
pub type Conclusion = Box<dyn FnOnce(&mut Exchange) -> Flow + Send>;

/// A guard at work. Dropping it gives the work up.
pub struct Thought {
    /// The guard's name.
    pub guard: &'static str,
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
        work: impl Future<Output = Conclusion> + Send + 'static,
    ) -> Self {
        Self {
            guard,
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
