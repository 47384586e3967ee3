//! Many requests while everything around them changes: the policy is reloaded (also with broken files), and one of
//! two frontends is killed and restarted. `SOAK_REQUESTS` sets the size; the log of a run is printed.

use std::time::{Duration, Instant};

use bytes::Bytes;
use commutator_integration::gateway::{Gateway, GatewayOptions, TestPolicy, Wait};
use commutator_integration::load::{self, LoadConfig, Report};
use commutator_simulator::{Simulator, SimulatorConfig};
use serde_json::json;

use super::support::{pace, policy, usage};

const CONNECTIONS: usize = 64;
const RELOADS: u64 = 50;
const KILLS: u64 = 3;

fn requests() -> u64 {
    let wanted = std::env::var("SOAK_REQUESTS").ok();
    wanted.and_then(|n| n.parse().ok()).unwrap_or(3_000)
}

/// A chat of about 1 KiB.
fn body(stream: bool) -> Bytes {
    let text = "Tell me about alternating current. ".repeat(27);
    json!({"model": "MoM", "stream": stream, "messages": [{"role": "user", "content": text}]})
        .to_string()
        .into()
}

/// Good policies: as it is, a cluster that changes, a cluster of another name, decisions.
fn good(frontends: &[Simulator], number: u64) -> String {
    let plain = policy(frontends);
    match number % 4 {
        0 => plain.yaml(),
        1 => plain.cluster("balance: round_robin\ntimeouts: {connect: 2s}").yaml(),
        2 => plain.yaml().replace("dynamo", "other"),
        _ => plain
            .top(
                "signals:\n  keywords: [{name: current, any: [current]}]\ndecisions:\n  - name: physics\n    \
                 when: {keyword: current}\n    models: [{name: math}]\n    plugins:\n      \
                 - system_prompt: {mode: prepend, text: Be brief.}",
            )
            .yaml(),
    }
}

fn broken(number: u64) -> String {
    match number % 3 {
        0 => "version: 1\nclusters: [".to_owned(),
        1 => "version: 1\nclusterz: []\n".to_owned(),
        _ => String::new(),
    }
}

struct Run {
    gateway: Gateway,
    frontends: Vec<Simulator>,
    started: Instant,
    total: u64,
    reloads: u64,
    refused: u64,
}

impl Run {
    fn log(&self, text: &str) {
        eprintln!("[{:7.3} s] {text}", self.started.elapsed().as_secs_f64());
    }

    /// Requests that have reached a frontend.
    fn progress(&self) -> u64 {
        self.frontends.iter().map(Simulator::total).sum()
    }

    async fn reload(&mut self) {
        let number = self.reloads;
        self.reloads += 1;
        let is_good = number % 3 != 2;
        let text = match is_good {
            true => good(&self.frontends, number),
            false => broken(number),
        };
        let answer = self.gateway.reload(text).await;
        assert_eq!(answer.status.is_success(), is_good, "{}", answer.text());
        self.refused += u64::from(!is_good);
        if number.is_multiple_of(10) {
            let revision = answer.json()["revision"].clone();
            self.log(&format!(
                "{} requests at the frontends, reload {number}, revision {revision}",
                self.progress()
            ));
        }
    }

    /// Does everything there is to do while the load runs.
    async fn disturb(&mut self) {
        let mut kills = 0;
        let mut down_since = None;
        while self.reloads < RELOADS || kills < KILLS || down_since.is_some() {
            let progress = self.progress();
            // Spread over the first nine tenths of the load.
            let due = |done: u64, of: u64| progress >= self.total * 9 / 10 * done / of;
            if self.reloads < RELOADS && due(self.reloads, RELOADS) {
                self.reload().await;
            } else if let Some(since) = down_since {
                if progress >= since + self.total / 12 {
                    self.frontends[1].restart().await.unwrap();
                    self.log(&format!("{progress} requests at the frontends: restarted"));
                    down_since = None;
                }
            } else if kills < KILLS && due(2 * kills + 1, 2 * KILLS) {
                let active = self.frontends[1].active();
                self.frontends[1].stop().await;
                kills += 1;
                self.log(&format!(
                    "{progress} requests at the frontends: killed one with {active} in flight"
                ));
                down_since = Some(progress);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn half(run: &Run, stream: bool) -> LoadConfig {
    let mut load = LoadConfig::new(
        run.gateway.addr(),
        "/v1/chat/completions",
        vec![body(stream)],
    );
    load.connections = CONNECTIONS / 2;
    load.count = Some(run.total / 2);
    load
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_policies_and_frontends_change() {
    let mut frontends = Vec::new();
    for name in ["frontend-0", "frontend-1"] {
        let config = SimulatorConfig {
            name: name.to_owned(),
            models: TestPolicy::MODELS.map(str::to_owned).to_vec(),
            pace: pace(Duration::from_millis(1), 16),
            record: 0,
            ..SimulatorConfig::default()
        };
        frontends.push(Simulator::start(config).await.unwrap());
    }
    let options = GatewayOptions {
        wait: Wait::Frontends(2),
        bootstrap: "log: {access: stdout}".to_owned(),
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(good(&frontends, 0), options).await.unwrap();
    let before = usage(gateway.pid());
    let mut run = Run {
        gateway,
        frontends,
        started: Instant::now(),
        total: requests(),
        reloads: 0,
        refused: 0,
    };
    run.log(&format!(
        "{} requests over {CONNECTIONS} connections, {RELOADS} reloads, {KILLS} kills",
        run.total
    ));
    let (unary, streams) = (half(&run, false), half(&run, true));
    let (unary, streams, ()) = tokio::join!(load::run(unary), load::run(streams), run.disturb());
    report(&run, &unary.unwrap(), &streams.unwrap(), before).await;
}

async fn report(run: &Run, unary: &Report, streams: &Report, before: super::support::Usage) {
    eprintln!("--- unary\n{unary}--- streams\n{streams}---");
    let metrics = run.gateway.metrics().await;
    for name in [
        "upstream_retries_total",
        "stream_errors_total",
        "errors_total",
        "reloads_total",
    ] {
        for line in metrics.text().lines() {
            if line.starts_with(&format!("commutator_{name}{{")) {
                eprintln!("{line}");
            }
        }
    }
    let after = usage(run.gateway.pid());
    eprintln!("before {before:?}\nafter  {after:?}");
    let failed: Vec<_> = run
        .gateway
        .access_log()
        .into_iter()
        .filter(|line| line["complete"] == false || line["status"] != 200)
        .collect();
    for line in &failed {
        eprintln!("{line}");
    }

    assert_eq!(unary.failed(), 0, "unary requests failed");
    assert_eq!(unary.ok, run.total / 2);
    let cut = streams.errors.get("error_event").copied().unwrap_or(0);
    assert_eq!(
        streams.failed(),
        cut,
        "streams failed otherwise than by an error event"
    );
    assert_eq!(streams.ok + cut, run.total / 2);
    // Every one of those events is the kill's: the frontend's end in mid-stream.
    let cut_by_kill = metrics.sum("stream_errors_total", &[("kind", "upstream_disconnected")]);
    assert_eq!(cut as f64, cut_by_kill);
    assert!(cut <= KILLS * CONNECTIONS as u64, "{cut} streams were cut");
    assert_eq!(
        metrics.sum(
            "reloads_total",
            &[("trigger", "admin"), ("result", "error")]
        ),
        run.refused as f64
    );
    assert!(after.threads <= before.threads + 8, "{before:?} {after:?}");
    assert!(
        after.descriptors <= before.descriptors + 3 * CONNECTIONS,
        "{before:?} {after:?}"
    );
}
