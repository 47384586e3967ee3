//! The load generator against the simulator: it must see each failure for what it is.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use commutator_integration::load::{self, LoadConfig, Pacing, Report};
use commutator_simulator::{Fault, FaultKind, Pace, Simulator, SimulatorConfig};

async fn simulator() -> Simulator {
    Simulator::start(SimulatorConfig::default()).await.unwrap()
}

fn config(simulator: &Simulator, stream: bool) -> LoadConfig {
    let mut config = LoadConfig::chat(simulator.addr(), "simulated", "hello", stream);
    config.count = Some(10);
    config
}

async fn errors(
    simulator: &Simulator,
    fault: impl Into<Fault>,
    stream: bool,
) -> Vec<(String, u64)> {
    simulator.set_fault(fault.into().times(3));
    let report = load::run(config(simulator, stream)).await.unwrap();
    assert_eq!((report.ok, report.requests()), (7, 10), "{report}");
    assert!(!report.samples.is_empty());
    report.errors.into_iter().collect()
}

fn three(class: &str) -> Vec<(String, u64)> {
    vec![(class.to_owned(), 3)]
}

#[tokio::test]
async fn a_count_is_kept_over_connections_and_threads() {
    let simulator = simulator().await;
    let mut config = config(&simulator, false);
    (config.count, config.connections, config.threads) = (Some(1000), 7, 3);
    config.headers = vec![("x-own".into(), "yes".into())];
    let report = load::run(config).await.unwrap();
    assert_eq!(
        (report.ok, report.failed(), report.connections),
        (1000, 0, 7),
        "{report}"
    );
    assert_eq!(
        report.statuses.into_iter().collect::<Vec<_>>(),
        [(200, 1000)]
    );
    assert_eq!((report.latency.count, report.first_event.count), (1000, 0));
    assert!(report.latency.p50 <= report.latency.p99 && report.latency.p99 <= report.latency.max);
    assert_eq!((simulator.total(), simulator.accepted()), (1000, 7));
    let request = &simulator.requests()[0];
    assert_eq!(request.header("x-own"), Some("yes"));
    assert_eq!(request.json()["model"], "simulated");
}

#[tokio::test]
async fn streams_are_timed_event_by_event() {
    let simulator = simulator().await;
    simulator.set_pace(Pace {
        ttft: Duration::from_millis(20),
        inter_token: Duration::from_millis(10),
        tokens: 4,
    });
    let report = load::run(config(&simulator, true)).await.unwrap();
    assert_eq!((report.ok, report.failed()), (10, 0), "{report}");
    // Four tokens, the finish chunk, [DONE].
    assert_eq!((report.events, report.gap.count), (60, 50));
    assert!(
        report.first_event.p50 >= 20_000.0 && report.latency.p50 >= 50_000.0,
        "{report}"
    );
    assert!(report.gap.max >= 9_000.0, "{report}");
}

#[tokio::test]
async fn each_failure_has_its_class() {
    let simulator = simulator().await;
    for stream in [false, true] {
        assert_eq!(
            errors(&simulator, Fault::overload(), stream).await,
            three("status_529")
        );
        let closed = errors(&simulator, Fault::close_before_response(), stream).await;
        assert_eq!(closed, three("disconnected"));
        let reset = errors(&simulator, Fault::reset_mid_stream(2), stream).await;
        assert_eq!(reset, three("truncated"));
    }
    let truncated = errors(&simulator, Fault::truncated_stream(), true).await;
    assert_eq!(truncated, three("truncated"));
    assert_eq!(
        errors(&simulator, Fault::error_event(2), true).await,
        three("error_event")
    );
    let late = FaultKind::ErrorEvent {
        after: 0,
        code: 504,
    };
    assert_eq!(errors(&simulator, late, true).await, three("error_event"));
}

#[tokio::test]
async fn the_other_apis_stream_too() {
    let simulator = simulator().await;
    let messages =
        r#"{"model":"simulated","messages":[{"role":"user","content":"x"}],"stream":true}"#;
    let responses = r#"{"model":"simulated","input":"x","stream":true}"#;
    for (path, body) in [("/v1/messages", messages), ("/v1/responses", responses)] {
        let config = LoadConfig::new(simulator.addr(), path, vec![body.into()]);
        let report = load::run(config).await.unwrap();
        assert_eq!((report.ok, report.failed()), (1, 0), "{path}: {report}");
        assert!(report.events > 16);
    }
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let simulator = simulator().await;
    for fault in [Fault::hang_before_headers(), Fault::hang_mid_stream(1)] {
        simulator.set_fault(fault.times(1));
        let mut config = config(&simulator, true);
        config.timeout = Duration::from_millis(200);
        let report = load::run(config).await.unwrap();
        assert_eq!(
            report.errors.into_iter().collect::<Vec<_>>(),
            [("timeout".to_owned(), 1)]
        );
        assert_eq!(report.ok, 9);
    }
}

#[tokio::test]
async fn a_dead_server_is_a_connect_error() {
    let simulator = simulator().await;
    simulator.stop().await;
    let report = load::run(config(&simulator, false)).await.unwrap();
    assert_eq!(
        report.errors.into_iter().collect::<Vec<_>>(),
        [("connect".to_owned(), 10)]
    );
}

#[tokio::test]
async fn a_restart_under_load_is_survived() {
    let simulator = simulator().await;
    let mut config = config(&simulator, false);
    (config.count, config.connections) = (None, 4);
    config.duration = Some(Duration::from_secs(60));
    let stop = config.stop.clone();
    let running = tokio::spawn(load::run(config));
    while simulator.total() < 100 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    simulator.restart().await.unwrap();
    let before = simulator.total();
    while simulator.total() < before + 100 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop.stop();
    let report: Report = running.await.unwrap().unwrap();
    assert!(report.ok >= 196, "{report}");
    let allowed = ["connect", "disconnected", "truncated"];
    assert!(
        report
            .errors
            .keys()
            .all(|class| allowed.contains(&&**class)),
        "{report}"
    );
    assert!(report.connections >= 8);
}

#[tokio::test]
async fn the_open_loop_keeps_its_rate_and_counts_waiting() {
    let simulator = simulator().await;
    let mut steady = config(&simulator, false);
    steady.pacing = Pacing::Open { rate: 200.0 };
    (steady.count, steady.connections) = (Some(40), 4);
    let report = load::run(steady.clone()).await.unwrap();
    assert_eq!(report.ok, 40, "{report}");
    assert!(report.seconds >= 0.19, "{report}");

    // One connection, 20 ms each, one due every 5 ms: the tenth waits for about 150 ms.
    simulator.set_pace(Pace {
        ttft: Duration::from_millis(20),
        ..Pace::default()
    });
    (steady.count, steady.connections) = (Some(10), 1);
    let report = load::run(steady).await.unwrap();
    assert!(report.latency.max >= 120_000.0, "{report}");
}

#[tokio::test]
async fn a_load_stops_with_its_future() {
    let simulator = simulator().await;
    let mut config = config(&simulator, false);
    (config.count, config.duration) = (None, Some(Duration::from_secs(60)));
    let running = tokio::spawn(load::run(config));
    while simulator.total() < 10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    running.abort();
    while simulator.connections() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn warm_up_is_not_counted() {
    let simulator = simulator().await;
    simulator.set_pace(Pace {
        ttft: Duration::from_millis(5),
        ..Pace::default()
    });
    let mut config = config(&simulator, false);
    config.count = None;
    config.warmup = Duration::from_millis(100);
    config.duration = Some(Duration::from_millis(300));
    let report = load::run(config).await.unwrap();
    assert!(report.ok > 0 && report.ok < simulator.total(), "{report}");
    assert!(report.seconds < 30.0);
}

#[tokio::test]
async fn nonsense_is_refused() {
    let simulator = simulator().await;
    let mut wrong = config(&simulator, false);
    wrong.bodies.clear();
    assert!(load::run(wrong).await.is_err());
    let mut wrong = config(&simulator, false);
    wrong.connections = 0;
    assert!(load::run(wrong).await.is_err());
    let mut wrong = config(&simulator, false);
    wrong.pacing = Pacing::Open { rate: 0.0 };
    assert!(load::run(wrong).await.is_err());
}

#[test]
fn reports_survive_json() {
    let report = Report {
        ok: 3,
        rate: 1.5,
        ..Report::default()
    };
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
}

/// The exit status and what the command printed.
async fn command(args: Vec<String>) -> (Option<i32>, String) {
    let command = env!("CARGO_BIN_EXE_commutator-load");
    let run = move || std::process::Command::new(command).args(args).output();
    let output = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text)
}

#[tokio::test]
async fn the_command_prints_json_and_a_table() {
    let simulator = simulator().await;
    let url = format!("http://{}", simulator.addr());
    let args = |more: &[&str]| {
        let fixed = [&url, "-n", "20", "-c", "3", "--model", "simulated"];
        fixed
            .iter()
            .chain(more)
            .map(|arg| (*arg).to_owned())
            .collect()
    };
    let (code, text) = command(args(&[
        "--json",
        "--stream",
        "--size",
        "500",
        "-H",
        "x-own: a:b",
    ]))
    .await;
    let report: Report = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, report.ok, report.first_event.count),
        (Some(0), 20, 20)
    );
    let request = &simulator.requests()[0];
    assert_eq!(request.header("x-own"), Some("a:b"));
    assert_eq!(request.header("host"), Some(&url["http://".len()..]));
    assert_eq!(
        request.json()["messages"][0]["content"]
            .as_str()
            .unwrap()
            .len(),
        500
    );

    simulator.set_fault(Fault::overload().times(1));
    let (code, text) = command(args(&[])).await;
    assert_eq!(code, Some(1));
    assert!(
        text.contains("19 good") && text.contains("failed status_529: 1"),
        "{text}"
    );
}

#[tokio::test]
async fn the_command_sends_given_bodies_in_turn() {
    let simulator = simulator().await;
    let directory = tempfile::tempdir().unwrap();
    let mut args = vec![format!("http://{}/v1/embeddings", simulator.addr())];
    for name in ["a", "b"] {
        let file = directory.path().join(name);
        std::fs::write(
            &file,
            format!(r#"{{"model":"simulated","input":"{name}"}}"#),
        )
        .unwrap();
        args.extend(["--body".to_owned(), file.to_str().unwrap().to_owned()]);
    }
    args.extend(["-n", "4", "-c", "1"].map(str::to_owned));
    let (code, text) = command(args).await;
    assert_eq!(code, Some(0), "{text}");
    let requests = simulator.requests();
    let inputs: Vec<_> = requests
        .iter()
        .map(|request| request.json()["input"].clone())
        .collect();
    assert_eq!(inputs, ["a", "b", "a", "b"]);
    assert!(
        requests
            .iter()
            .all(|request| request.path == "/v1/embeddings")
    );
}
