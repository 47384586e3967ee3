//! In turn, by weight, evenly interleaved.

use std::sync::Arc;

use parking_lot::Mutex;

use super::Candidates;
use crate::cluster::endpoint::Endpoint;

/// Whose turn it is among the endpoints of one model.
#[derive(Debug)]
pub(in crate::cluster) struct Turns(Mutex<Vec<f64>>);

impl Turns {
    /// The beginning of a round over `count` endpoints.
    pub(in crate::cluster) fn new(count: usize) -> Self {
        Self(Mutex::new(vec![0.0; count]))
    }
}

/// Smooth weighted round robin (nginx, 2012): each endpoint gains its weight, the one that has
/// most is taken and pays the sum. With weights 5, 1, 1 this gives a a b a c a a.
pub(in crate::cluster) fn round_robin<'a>(
    candidates: &Candidates<'a>,
    turns: &Turns,
) -> Option<&'a Arc<Endpoint>> {
    let mut credit = turns.0.lock();
    let mut total = 0.0;
    let mut best: Option<usize> = None;
    for (index, endpoint) in candidates.ready.iter().enumerate().take(credit.len()) {
        if !candidates.is_usable(endpoint) {
            continue;
        }
        let weight = candidates.weight(endpoint);
        total += weight;
        credit[index] += weight;
        if best.is_none_or(|b| credit[index] > credit[b]) {
            best = Some(index);
        }
    }
    let best = best?;
    credit[best] -= total;
    candidates.ready.get(best)
}
