//! The same endpoint for the same key, with bounded load.

use std::fmt;
use std::sync::Arc;

use pingora_load_balancing::Backend;
use pingora_load_balancing::selection::consistent::KetamaHashing;
use pingora_load_balancing::selection::{BackendIter, BackendSelection};

use super::{Candidates, least_request};
use crate::cluster::endpoint::Endpoint;

/// Pingora's Ketama ring over **all** endpoints of a cluster, ready or not: one that is out passes
/// its keys on and gets the same ones back.
pub(in crate::cluster) struct Ring {
    ring: Arc<KetamaHashing>,
    /// What it was built from, to see whether it is still right.
    members: Vec<(std::net::SocketAddr, u32)>,
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ring").field(&self.members).finish()
    }
}

/// Steps along the ring, as a multiple of the number of endpoints, after which the search gives up:
/// the chance to miss the only usable one of n in 20 n steps is about e^-20.
const PATIENCE: usize = 20;

impl Ring {
    /// A ring over these endpoints.
    pub(in crate::cluster) fn new(endpoints: &[Arc<Endpoint>]) -> Self {
        let backends = endpoints
            .iter()
            .map(|endpoint| {
                let mut backend = Backend {
                    addr: pingora::protocols::l4::socket::SocketAddr::Inet(endpoint.addr()),
                    weight: endpoint.weight() as usize,
                    ext: http::Extensions::new(),
                };
                backend.ext.insert(Arc::clone(endpoint));
                backend
            })
            .collect();
        Self {
            ring: Arc::new(KetamaHashing::build(&backends)),
            members: members(endpoints),
        }
    }

    /// Whether it is the ring of these endpoints with their weights of now.
    pub(in crate::cluster) fn is_of(&self, endpoints: &[Arc<Endpoint>]) -> bool {
        self.members == members(endpoints)
    }
}

fn members(endpoints: &[Arc<Endpoint>]) -> Vec<(std::net::SocketAddr, u32)> {
    endpoints.iter().map(|e| (e.addr(), e.weight())).collect()
}

/// The first endpoint along the ring from `key` that is usable and whose load is at most `bound`
/// times its share of all requests in flight (Mirrokni, Thorup, Zadimoghaddam 2016). In slow start
/// an endpoint takes only a part of its keys, always the same ones.
pub(in crate::cluster) fn consistent_hash<'a>(
    candidates: &Candidates<'a>,
    ring: &Ring,
    key: u64,
    bound: f64,
) -> Option<&'a Arc<Endpoint>> {
    let total = candidates.total_weight();
    let in_flight: u32 = candidates.usable().map(|e| e.outstanding()).sum();
    let fits = |endpoint: &Endpoint| {
        let share = candidates.weight(endpoint) / total;
        let most = (bound * f64::from(in_flight + 1) * share).ceil();
        f64::from(endpoint.outstanding()) + 1.0 <= most
    };
    let mut beyond = None;
    let mut walk = ring.ring.iter(&key.to_le_bytes());
    for _ in 0..PATIENCE * ring.members.len() {
        let Some(found) = walk.next().and_then(|b| b.ext.get::<Arc<Endpoint>>()) else {
            break;
        };
        let Some(endpoint) = candidates.ready.iter().find(|e| Arc::ptr_eq(e, found)) else {
            continue;
        };
        if !candidates.is_usable(endpoint) || !takes(candidates, endpoint, key) {
            continue;
        }
        if fits(endpoint) {
            return Some(endpoint);
        }
        beyond.get_or_insert(endpoint);
    }
    beyond.or_else(|| least_request(candidates))
}

/// Whether the endpoint takes this key yet: all keys after slow start, before that a share of them.
fn takes(candidates: &Candidates<'_>, endpoint: &Endpoint, key: u64) -> bool {
    let ramp = endpoint.ramp(candidates.now, candidates.window);
    // The multiplier (2^64 / golden ratio) spreads keys that differ only in their low bits.
    let place = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as f64 / (1u64 << 53) as f64;
    ramp >= 1.0 || place < ramp
}
