//! Asking one endpoint again and again, and acting on what it says.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::{Probed, Prober, State};
use crate::cluster::Cluster;
use crate::cluster::endpoint::Endpoint;

/// The least time between two rounds, however often requests fail.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// Probes `endpoint` until the cluster is gone: each interval, and at once when a request failed
/// there.
pub(in crate::cluster) async fn watch(
    prober: Arc<Prober>,
    endpoint: Arc<Endpoint>,
    cluster: Weak<Cluster>,
) {
    let mut failures = 0;
    loop {
        let began = Instant::now();
        let before = endpoint.probed.load_full();
        let result = prober.round(endpoint.addr(), &before).await;
        let Some(cluster) = cluster.upgrade() else {
            return;
        };
        let observer = &cluster.observer;
        let name = &cluster.config.name;
        observer.probed(name, endpoint.addr(), result.is_ok(), began.elapsed());
        let readiness = &cluster.config.readiness;
        let mut pause = jittered(readiness.interval.0);
        match result {
            Ok(probed) => {
                failures = 0;
                let probed = probed.with_creation_times_of(&endpoint.probed.load());
                cluster.take_probe(&endpoint, probed);
            }
            Err(error) => {
                failures += 1;
                let known = endpoint.probed.load().state != State::Unknown;
                if known && failures < readiness.failure_threshold {
                    // In doubt: make sure soon.
                    pause /= 4;
                } else {
                    let reason = error.to_string();
                    let state = State::Unreachable { reason };
                    cluster.take_probe(&endpoint, Probed::without_models(state));
                }
            }
        }
        drop(cluster);
        tokio::time::sleep(pause.min(SHORTEST_PAUSE)).await;
        let rest = pause.saturating_sub(SHORTEST_PAUSE);
        // A timeout is the ordinary end of this pause, a notification the early one.
        let _ = tokio::time::timeout(rest, endpoint.probe_now.notified()).await;
    }
}

/// The interval give or take a tenth, so that many gateways do not ask in step.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * fastrand::f64())
}
