//! By chance, by weight.

use std::sync::Arc;

use super::Candidates;
use crate::cluster::endpoint::Endpoint;

/// Draws an endpoint with a probability in proportion to its weight.
pub(in crate::cluster) fn random<'a>(candidates: &Candidates<'a>) -> Option<&'a Arc<Endpoint>> {
    candidates.at(fastrand::f64() * candidates.total_weight(), None)
}
