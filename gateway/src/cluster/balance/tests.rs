#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::cluster::config::EjectionConfig;
use crate::cluster::endpoint::Picked;

const NOW: Millis = 1_000_000;

fn addr(n: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 8000))
}

/// Endpoints 0, 1, 2... with these weights.
fn endpoints(weights: &[u32]) -> Vec<Arc<Endpoint>> {
    let numbered = (0..).zip(weights);
    numbered
        .map(|(n, weight)| Arc::new(Endpoint::new(addr(n), *weight, true)))
        .collect()
}

fn candidates<'a>(ready: &'a [Arc<Endpoint>], tried: &'a [SocketAddr]) -> Candidates<'a> {
    Candidates {
        ready,
        tried,
        now: NOW,
        window: 10_000,
        even_ejected: false,
    }
}

fn busy(endpoint: &Arc<Endpoint>, requests: usize) -> Vec<Picked> {
    (0..requests)
        .map(|_| Picked::new(Arc::clone(endpoint)))
        .collect()
}

/// How often each address is chosen in so many draws.
fn draw(
    draws: usize,
    mut choose: impl FnMut() -> Option<SocketAddr>,
) -> HashMap<SocketAddr, usize> {
    let mut counts = HashMap::new();
    for _ in 0..draws {
        *counts.entry(choose().unwrap()).or_default() += 1;
    }
    counts
}

fn near(actual: usize, expected: usize) -> bool {
    actual.abs_diff(expected) * 5 < expected
}

/// Every algorithm behind one face.
fn all_algorithms() -> Vec<(&'static str, Box<Chooser>)> {
    vec![
        (
            "least_request",
            Box::new(|c| least_request(c).map(|e| e.addr())),
        ),
        ("random", Box::new(|c| random(c).map(|e| e.addr()))),
        (
            "round_robin",
            Box::new(|c| round_robin(c, &Turns::new(c.ready.len())).map(|e| e.addr())),
        ),
        (
            "consistent_hash",
            Box::new(|c| {
                let key = fastrand::u64(..);
                consistent_hash(c, &Ring::new(c.ready), key, 1.25).map(|e| e.addr())
            }),
        ),
    ]
}

type Chooser = dyn Fn(&Candidates<'_>) -> Option<SocketAddr>;

#[test]
fn nothing_chooses_what_is_tried_draining_or_ejected() {
    let set = endpoints(&[1, 1, 1, 1]);
    set[1].set_draining(true);
    set[2].health.eject(NOW, &EjectionConfig::default());
    let tried = [addr(0)];
    for (name, choose) in all_algorithms() {
        for _ in 0..200 {
            assert_eq!(choose(&candidates(&set, &tried)), Some(addr(3)), "{name}");
        }
    }
}

#[test]
fn nothing_is_chosen_when_all_are_tried() {
    let set = endpoints(&[1, 2]);
    let tried = [addr(0), addr(1)];
    for (name, choose) in all_algorithms() {
        assert_eq!(choose(&candidates(&set, &tried)), None, "{name}");
        assert_eq!(choose(&candidates(&[], &[])), None, "{name}");
    }
}

#[test]
fn an_ejected_endpoint_counts_only_when_asked_for() {
    let set = endpoints(&[1]);
    set[0].health.eject(NOW, &EjectionConfig::default());
    let mut candidates = candidates(&set, &[]);
    assert!(least_request(&candidates).is_none());
    candidates.even_ejected = true;
    assert_eq!(least_request(&candidates).unwrap().addr(), addr(0));
}

#[test]
fn random_follows_the_weights() {
    fastrand::seed(1);
    let set = endpoints(&[1, 3, 6]);
    let counts = draw(10_000, || random(&candidates(&set, &[])).map(|e| e.addr()));
    for (n, expected) in [(0, 1_000), (1, 3_000), (2, 6_000)] {
        assert!(near(counts[&addr(n)], expected), "{counts:?}");
    }
}

#[test]
fn round_robin_interleaves_smoothly() {
    let set = endpoints(&[5, 1, 1]);
    let turns = Turns::new(set.len());
    let order: Vec<_> = (0..14)
        .map(|_| round_robin(&candidates(&set, &[]), &turns).unwrap().addr())
        .collect();
    let [a, b, c] = [addr(0), addr(1), addr(2)];
    assert_eq!(order[..7], [a, a, b, a, c, a, a]);
    assert_eq!(order[7..], order[..7]);
}

#[test]
fn least_request_is_even_when_idle_and_follows_the_weights() {
    fastrand::seed(2);
    let set = endpoints(&[1, 1, 1, 1]);
    let choose = |set: &[Arc<Endpoint>]| least_request(&candidates(set, &[])).map(|e| e.addr());
    let counts = draw(8_000, || choose(&set));
    assert!(counts.values().all(|n| near(*n, 2_000)), "{counts:?}");
    let set = endpoints(&[1, 3]);
    let counts = draw(8_000, || choose(&set));
    assert!(near(counts[&addr(0)], 2_000), "{counts:?}");
}

#[test]
fn least_request_avoids_the_busy_one() {
    let set = endpoints(&[1, 1]);
    let _load = busy(&set[0], 3);
    for _ in 0..200 {
        let chosen = least_request(&candidates(&set, &[])).unwrap();
        assert_eq!(chosen.addr(), addr(1));
    }
}

#[test]
fn least_request_divides_the_load_by_weight() {
    fastrand::seed(3);
    let set = endpoints(&[1, 3]);
    let held: Vec<_> = (0..400)
        .map(|_| Picked::new(Arc::clone(least_request(&candidates(&set, &[])).unwrap())))
        .collect();
    assert_eq!(held.len(), 400);
    assert!(set[0].outstanding().abs_diff(100) <= 2, "{set:?}");
}

#[test]
fn slow_start_gives_a_new_endpoint_less() {
    fastrand::seed(4);
    let set = endpoints(&[1, 1]);
    set[1].start_ramp(NOW - 2_500);
    let counts = draw(10_000, || random(&candidates(&set, &[])).map(|e| e.addr()));
    assert!(near(counts[&addr(1)], 2_000), "{counts:?}");
    let mut later = candidates(&set, &[]);
    later.now = NOW + 10_000;
    let counts = draw(10_000, || random(&later).map(|e| e.addr()));
    assert!(near(counts[&addr(1)], 5_000), "{counts:?}");
}

#[test]
fn slow_start_gives_a_new_endpoint_a_share_of_its_keys() {
    let set = endpoints(&[1, 1]);
    let ring = Ring::new(&set);
    let at = |key| {
        consistent_hash(&candidates(&set, &[]), &ring, key, 1.25)
            .unwrap()
            .addr()
    };
    let own: Vec<u64> = (0..4_000).filter(|key| at(*key) == addr(1)).collect();
    set[1].start_ramp(NOW - 2_500);
    let kept = own.iter().filter(|key| at(**key) == addr(1)).count();
    assert!(
        near(kept, own.len() / 4),
        "{kept} of {} keys stayed",
        own.len()
    );
    // What it has taken it keeps as it takes more.
    let taken: Vec<u64> = own.into_iter().filter(|key| at(*key) == addr(1)).collect();
    set[1].start_ramp(NOW - 5_000);
    assert!(taken.iter().all(|key| at(*key) == addr(1)));
}

#[test]
fn the_ring_follows_the_weights() {
    let set = endpoints(&[1, 3]);
    let ring = Ring::new(&set);
    let mut key = 0;
    let counts = draw(8_000, || {
        key += 1;
        consistent_hash(&candidates(&set, &[]), &ring, key, 1.25).map(|e| e.addr())
    });
    let share = counts[&addr(0)];
    assert!((1_200..2_800).contains(&share), "{counts:?}");
}

#[test]
fn bounded_load_passes_keys_on() {
    let set = endpoints(&[1, 1, 1, 1]);
    let ring = Ring::new(&set);
    let at = |bound| {
        consistent_hash(&candidates(&set, &[]), &ring, 42, bound)
            .unwrap()
            .clone()
    };
    let home = at(1.25);
    // Ten of ten requests are at the home of the key; its share would be ceil(1.25 * 11 / 4) = 4.
    let _load = busy(&home, 10);
    assert_ne!(at(1.25).addr(), home.addr());
    assert_eq!(at(100.0).addr(), home.addr());
}

#[test]
fn bounded_load_holds_for_a_single_hot_key() {
    let set = endpoints(&[1, 1, 1, 1]);
    let ring = Ring::new(&set);
    let held: Vec<_> = (0..100)
        .map(|_| {
            let chosen = consistent_hash(&candidates(&set, &[]), &ring, 7, 1.25).unwrap();
            Picked::new(Arc::clone(chosen))
        })
        .collect();
    assert_eq!(held.len(), 100);
    // ceil(1.25 * 100 / 4)
    assert!(set.iter().all(|e| e.outstanding() <= 32), "{set:?}");
}

#[test]
fn the_only_usable_one_of_many_is_found() {
    let set = endpoints(&[1; 40]);
    let ring = Ring::new(&set);
    for endpoint in &set[..39] {
        endpoint.set_draining(true);
    }
    for key in 0..500 {
        let chosen = consistent_hash(&candidates(&set, &[]), &ring, key, 1.25).unwrap();
        assert_eq!(chosen.addr(), addr(39));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Removing an endpoint, from the ring or only from the ready ones, moves its own keys and no
    /// other.
    #[test]
    fn removing_an_endpoint_moves_only_its_keys(
        weights in prop::collection::vec(1u32..4, 2..12),
        gone in any::<prop::sample::Index>(),
        keys in prop::collection::vec(any::<u64>(), 200),
    ) {
        let set = endpoints(&weights);
        let gone = gone.index(set.len());
        let mut rest = set.clone();
        let removed = rest.remove(gone).addr();
        let (ring, smaller) = (Ring::new(&set), Ring::new(&rest));
        for key in keys {
            let choose = |ready: &[Arc<Endpoint>], ring: &Ring| {
                consistent_hash(&candidates(ready, &[]), ring, key, 1.25).unwrap().addr()
            };
            let before = choose(&set, &ring);
            for after in [choose(&rest, &ring), choose(&rest, &smaller)] {
                prop_assert_ne!(after, removed);
                if before != removed {
                    prop_assert_eq!(after, before);
                }
            }
        }
    }
}
