//! Frontends, policies and looks into a process.

use std::path::Path;
use std::time::Duration;

use commutator_integration::client::{Answer, CHAT, Client, Opened, chat, full, post, streamed};
use commutator_integration::gateway::{Gateway, GatewayOptions, TestPolicy};
use commutator_integration::wait::find;
use commutator_simulator::{Pace, Simulator, SimulatorConfig};
use serde_json::Value;

/// Frontends `frontend-0`, `frontend-1`, ... of this pace.
pub(crate) async fn simulators(count: usize, pace: Pace) -> Vec<Simulator> {
    let mut frontends = Vec::new();
    for index in 0..count {
        let config = SimulatorConfig {
            name: format!("frontend-{index}"),
            models: TestPolicy::MODELS.map(str::to_owned).to_vec(),
            pace,
            nodelay: true,
            record: 16,
            ..SimulatorConfig::default()
        };
        frontends.push(Simulator::start(config).await.unwrap());
    }
    frontends
}

/// An answer that takes `tokens` times `inter_token`.
pub(crate) fn pace(inter_token: Duration, tokens: usize) -> Pace {
    Pace {
        ttft: Duration::ZERO,
        inter_token,
        tokens,
    }
}

/// The policy over these frontends.
pub(crate) fn policy(frontends: &[Simulator]) -> TestPolicy {
    let addresses: Vec<_> = frontends.iter().map(Simulator::addr).collect();
    TestPolicy::new(&addresses)
}

/// `/policy` of this moment.
pub(crate) async fn policy_page(gateway: &Gateway) -> Value {
    gateway.admin("GET", "/policy", "").await.json()
}

/// The active revision.
pub(crate) async fn revision(gateway: &Gateway) -> u64 {
    policy_page(gateway).await["revision"].as_u64().unwrap()
}

/// Waits until this revision or a later one is active.
pub(crate) async fn revision_reaches(gateway: &Gateway, wanted: u64) {
    find(&format!("revision {wanted}"), || async {
        (revision(gateway).await >= wanted).then_some(())
    })
    .await;
}

/// What a process uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) threads: usize,
    pub(crate) descriptors: usize,
    pub(crate) resident_kib: u64,
}

/// Reads it from `/proc`.
pub(crate) fn usage(pid: u32) -> Usage {
    let process = Path::new("/proc").join(pid.to_string());
    let count = |name: &str| std::fs::read_dir(process.join(name)).unwrap().count();
    let status = std::fs::read_to_string(process.join("status")).unwrap();
    let resident = status.lines().find_map(|line| {
        let value = line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?;
        value.trim().parse().ok()
    });
    Usage {
        threads: count("task"),
        descriptors: count("fd"),
        resident_kib: resident.unwrap(),
    }
}

/// Options with this much of `gateway.yaml`, and a short time for a changed file to settle.
pub(crate) fn options(bootstrap: &str) -> GatewayOptions {
    GatewayOptions {
        bootstrap: format!("reload: {{settle: 50ms}}\n{bootstrap}"),
        ..GatewayOptions::default()
    }
}

/// Opens a stream and waits for its first event.
pub(crate) async fn open_stream(gateway: &Gateway) -> Opened {
    let mut client = Client::h1(gateway.addr()).await;
    let request = post(CHAT, full(streamed("Take your time.").to_string()));
    let mut opened = client.open(request).await.unwrap();
    opened.until("data: ").await;
    opened
}

/// Reads a stream to its end, which must be a good one.
#[track_caller]
pub(crate) fn assert_good(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.whole, "cut short: {}", answer.text());
    assert_eq!(answer.data().last(), Some(&"[DONE]"));
    assert!(!answer.text().contains("\"error\""), "{}", answer.text());
}

/// One unary request over a connection of its own; must succeed.
pub(crate) async fn assert_serves(gateway: &Gateway) -> Answer {
    let answer = Client::h1(gateway.addr())
        .await
        .post(CHAT, &chat("Hello"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}
