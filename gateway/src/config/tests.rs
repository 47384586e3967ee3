//! Tests of the loader as a whole, on structs shaped like the real ones.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod mistakes;
mod random;
mod reads;
mod reference;
mod secrets;
mod toy;

use super::{ConfigErrors, Loaded, parse};

/// The environment of every test.
fn env(name: &str) -> Option<String> {
    match name {
        "THREADS" => Some("8".into()),
        "TOKEN" => Some("s3cr3t-t0ken".into()),
        "EMPTY" => Some(String::new()),
        "DIGITS" => Some("12345".into()),
        "WORD" => Some("hunter2".into()),
        _ => None,
    }
}

fn read(text: &str) -> Result<Loaded<toy::Policy>, ConfigErrors> {
    parse("conf/policy.yaml", text, &env)
}
