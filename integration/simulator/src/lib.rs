//! A simulated Dynamo frontend.
//!
//! It speaks what a real frontend (ai-dynamo 1.6) speaks on its HTTP port: HTTP/1.1 keep-alive and
//! h2c, flat error bodies, strict checking of request fields, one HTTP chunk per server-sent event,
//! `usage` with cached tokens, and the ways in which a frontend fails. It runs no model: every answer
//! says `[simulated by NAME]` and tells what reached it, so it can never be taken for a real answer.
//!
//! It is used in process by the demo and by the black-box tests, and as the process
//! `commutator-simulator` under benchmarks.
//!
//! # In process
//!
//! ```no_run
//! use commutator_simulator::{Fault, Simulator, SimulatorConfig};
//!
//! # async fn example() -> std::io::Result<()> {
//! let frontend = Simulator::start(SimulatorConfig {
//!     name: "frontend-a".into(),
//!     models: vec!["math".into(), "org/general".into()],
//!     ..SimulatorConfig::default()
//! })
//! .await?;
//! println!("http://{}", frontend.addr());
//!
//! // The next two requests are answered 529, the third as usual.
//! frontend.set_fault(Fault::overload().times(2));
//!
//! // What reached the frontend, byte for byte.
//! for request in frontend.requests() {
//!     println!("{} {} {} bytes", request.method, request.path, request.body.len());
//! }
//! frontend.stop().await; // as SIGKILL: every connection ends where it is
//! frontend.restart().await?; // the same port
//! # Ok(())
//! # }
//! ```
//!
//! # Over HTTP
//!
//! - `POST /simulator/fault` with a [`Fault`] as JSON, e.g. `{"fault":"hang_mid_stream","after":3,"count":1}`;
//!   `{"fault":"none"}` clears it.
//! - `GET /simulator/state` tells `name`, `active`, `total`, `probes`, `connections` and `draining`.
//! - With [`SimulatorConfig::request_faults`], the request header `x-simulate` carries a fault for that
//!   request alone: the JSON form, or `NAME` or `NAME:NUMBER` (see [`Fault::from_header`]).
//!
//! # What it does not do
//!
//! No TLS, no tokenizer (a token is four bytes of text), no sampling: sampling fields are accepted and
//! ignored, as is `n`. The prefix cache is one bounded set per simulator, where real workers share
//! theirs among frontends.

mod answer;
mod body;
mod config;
mod control;
mod error;
mod fault;
mod fields;
mod handler;
mod prefix;
mod probe;
mod record;
mod request;
mod server;
mod state;

pub use config::{Pace, SimulatorConfig};
pub use fault::{Fault, FaultKind};
pub use record::{Outcome, RequestRecord};
pub use server::Simulator;
