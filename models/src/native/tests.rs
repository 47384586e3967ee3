//! The encoder against a plain one in `f64`.
#![allow(clippy::unwrap_used)]

mod agreement;
mod random;
mod reference;
mod refusals;
