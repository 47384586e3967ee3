//! Power of two choices over the requests in flight (Mitzenmacher 2001): nearly as even as looking
//! at all endpoints, without the herd that runs to the one which is idle at the moment.

use std::sync::Arc;

use super::Candidates;
use crate::cluster::endpoint::Endpoint;

/// Draws two different endpoints, by weight, and takes the one with fewer requests in flight for
/// its weight; of two idle ones the first, so that idle endpoints too are used by weight.
pub(in crate::cluster) fn least_request<'a>(
    candidates: &Candidates<'a>,
) -> Option<&'a Arc<Endpoint>> {
    let total = candidates.total_weight();
    let first = candidates.at(fastrand::f64() * total, None)?;
    let rest = (total - candidates.weight(first)).max(0.0);
    let Some(second) = candidates.at(fastrand::f64() * rest, Some(first)) else {
        return Some(first);
    };
    if first.outstanding() == 0 && second.outstanding() == 0 {
        return Some(first);
    }
    let load = |e: &Endpoint| (f64::from(e.outstanding()) + 1.0) / candidates.weight(e);
    Some(if load(second) < load(first) {
        second
    } else {
        first
    })
}
