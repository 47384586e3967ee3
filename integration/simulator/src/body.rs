//! Response bodies: whole, or a script that is played at a pace and may end badly.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::answer::{Script, Wait};
use crate::config::Pace;
use crate::record::Outcome;
use crate::server::Connection;
use crate::state::InFlight;

/// Time that the HTTP layer gets to send what it holds before a connection is broken off.
const FLUSH: Duration = Duration::from_millis(20);

/// What comes after the last step of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Clean,
    /// Nothing ever comes again.
    Hang,
    /// The connection is broken off, with a TCP reset if so said.
    Break {
        rst: bool,
    },
}

/// A body of a response.
#[derive(Debug)]
pub(crate) struct SimBody {
    kind: Kind,
    flight: Option<InFlight>,
}

#[derive(Debug)]
enum Kind {
    Full(Bytes),
    Script(Box<Player>),
}

impl SimBody {
    pub(crate) fn full(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Full(bytes),
            flight: None,
        }
    }

    pub(crate) fn empty() -> Self {
        Self::full(Bytes::new())
    }

    pub(crate) fn script(player: Player) -> Self {
        Self {
            kind: Kind::Script(Box::new(player)),
            flight: None,
        }
    }

    /// Ties the request to the body: it is active until the body ends.
    pub(crate) fn carry(&mut self, mut flight: InFlight) {
        if matches!(&self.kind, Kind::Full(bytes) if bytes.is_empty()) {
            flight.end(Outcome::Complete);
        } else {
            self.flight = Some(flight);
        }
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(mut flight) = self.flight.take() {
            flight.end(outcome);
        }
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        match &mut this.kind {
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                this.end(Outcome::Complete);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Kind::Script(player) => match player.poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Poll::Ready(None) if player.ending == Ending::Clean => {
                    this.end(Outcome::Complete);
                    Poll::Ready(None)
                }
                Poll::Ready(None) => {
                    if let Ending::Break { rst } = player.ending {
                        let connection = Arc::clone(&player.connection);
                        this.end(Outcome::Broken);
                        connection.break_off(rst);
                    }
                    Poll::Pending
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.kind, Kind::Full(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Script(_) => SizeHint::default(),
        }
    }
}

/// Plays a script.
#[derive(Debug)]
pub(crate) struct Player {
    script: Script,
    ending: Ending,
    pace: Pace,
    connection: Arc<Connection>,
    index: usize,
    /// When the last token was due: the pace does not drift with the time that sending takes.
    due: Instant,
    waited: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Player {
    pub(crate) fn new(
        script: Script,
        ending: Ending,
        pace: Pace,
        connection: &Arc<Connection>,
    ) -> Self {
        Self {
            script,
            ending,
            pace,
            connection: Arc::clone(connection),
            index: 0,
            due: Instant::now(),
            waited: false,
            sleep: None,
        }
    }

    /// The next step when it is due; `None` once the script is over (and flushed, where the connection
    /// shall be broken off).
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let step = self.script.step(self.index);
        let wait = match &step {
            Some((_, Wait::No)) => Duration::ZERO,
            Some((_, Wait::First)) => self.pace.ttft,
            Some((_, Wait::Token)) => self.pace.inter_token,
            None if matches!(self.ending, Ending::Break { .. }) => {
                if !self.waited {
                    self.due = Instant::now();
                }
                FLUSH
            }
            None => return Poll::Ready(None),
        };
        if !wait.is_zero() {
            if !self.waited {
                self.waited = true;
                self.due += wait;
                let due = self.due;
                match &mut self.sleep {
                    Some(sleep) => sleep.as_mut().reset(due),
                    None => self.sleep = Some(Box::pin(tokio::time::sleep_until(due))),
                }
            }
            if let Some(sleep) = &mut self.sleep
                && sleep.as_mut().poll(cx).is_pending()
            {
                return Poll::Pending;
            }
        }
        self.waited = false;
        self.index += 1;
        Poll::Ready(step.map(|(bytes, _)| bytes))
    }
}
