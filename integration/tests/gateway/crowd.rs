//! Sixty-four clients at once before the bundled models: their texts share batches, memory stays bounded, and who
//! leaves takes the work along.

use std::net::SocketAddr;

use commutator_integration::client::{Answer, CHAT, Client, Raw, chat};
use commutator_integration::gateway::Metrics;
use commutator_integration::wait::find;
use futures::future::join_all;
use tokio::task::JoinHandle;

use crate::support::Stage;

const CLIENTS: usize = 64;

/// Personal data and attacks stand on encoders of their own: each text is read by both.
const MODELS: f64 = 2.0;

/// One model thread on one core, and nothing remembered: what arrives together waits together.
const TOP: &str = "plugins: [{pii: {timeout: 120s}}, {jailbreak: {timeout: 120s}}]\n\
    understanding: {compute_threads: 1, engine: {cache: {max_bytes: 0}}}";

/// A harmless text that nobody else sends.
fn text(round: &str, client: usize, sentences: usize) -> String {
    let lines = (0..sentences).map(|line| {
        format!("In the {round} week, group {client} walked to bridge {line} and back. ")
    });
    lines.collect()
}

fn spawn(addr: SocketAddr, text: String) -> JoinHandle<Answer> {
    tokio::spawn(async move { Client::h1(addr).await.post(CHAT, &chat(&text)).await })
}

fn passed(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-vsr-response-path"), "upstream");
    assert!(answer.headers.get("x-vsr-response-warnings").is_none());
}

/// Everybody asks at once and is answered.
async fn round(stage: &Stage, name: &str, sentences: usize) {
    let asked =
        (0..CLIENTS).map(|client| spawn(stage.gateway.addr(), text(name, client, sentences)));
    for answer in join_all(asked.collect::<Vec<_>>()).await {
        passed(&answer.unwrap());
    }
}

/// The memory that the gateway has in use, in MiB.
fn resident(stage: &Stage) -> f64 {
    let path = format!("/proc/{}/status", stage.gateway.pid());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}

/// What the models have done so far, together.
#[derive(Debug, Clone, Copy)]
struct Work {
    /// Texts that were let in and cut into windows.
    texts: f64,
    /// Windows of these texts.
    windows: f64,
    /// Windows that ran.
    computed: f64,
    /// Forward passes.
    batches: f64,
    /// Time in forward passes, in seconds.
    seconds: f64,
    /// Texts given up since their callers had left.
    cancelled: f64,
}

impl Work {
    fn of(metrics: &Metrics) -> Self {
        let sum = |name: &str| metrics.sum(name, &[]);
        let reason = [("reason", "cancelled")];
        Self {
            texts: sum("model_text_windows_count"),
            windows: sum("model_text_windows_sum"),
            computed: sum("model_batch_windows_sum"),
            batches: sum("model_batch_windows_count"),
            seconds: sum("model_compute_seconds_sum"),
            cancelled: metrics.sum("model_dropped_texts_total", &reason),
        }
    }

    async fn now(stage: &Stage) -> Self {
        Self::of(&stage.gateway.metrics().await)
    }

    fn since(self, before: Self) -> Self {
        Self {
            texts: self.texts - before.texts,
            windows: self.windows - before.windows,
            computed: self.computed - before.computed,
            batches: self.batches - before.batches,
            seconds: self.seconds - before.seconds,
            cancelled: self.cancelled - before.cancelled,
        }
    }
}

/// Nothing waits, once the model thread has looked at all there was, and nothing was refused.
async fn is_empty(stage: &Stage) {
    stage.gateway.idle().await;
    find("nothing waits for the model", || async {
        let metrics = stage.gateway.metrics().await;
        let waiting =
            ["model_queue_windows", "model_queue_tokens"].map(|name| metrics.sum(name, &[]));
        (waiting == [0.0, 0.0]).then_some(())
    })
    .await;
    let metrics = stage.gateway.metrics().await;
    let expired = [("reason", "expired")];
    assert_eq!(metrics.sum("model_dropped_texts_total", &expired), 0.0);
    for name in ["model_overloaded_total", "model_panics_total"] {
        assert_eq!(metrics.sum(name, &[]), 0.0, "{name}");
    }
}

#[tokio::test]
async fn texts_of_many_clients_share_batches_in_bounded_memory() {
    /// What two rounds may not have touched yet, in MiB. All weights and buffers together are about 110.
    const SLACK: f64 = 64.0;
    let stage = Stage::top(TOP).await;
    // One after the other: a text is a batch.
    let before = Work::now(&stage).await;
    for client in 0..4 {
        passed(
            &spawn(stage.gateway.addr(), text("lonely", client, 2))
                .await
                .unwrap(),
        );
    }
    let alone = Work::now(&stage).await.since(before);
    assert_eq!(
        (alone.texts, alone.windows, alone.batches),
        (4.0 * MODELS, 4.0 * MODELS, 4.0 * MODELS),
        "{alone:?}"
    );

    for name in ["first", "second"] {
        round(&stage, name, 2).await;
    }
    let (warm, before) = (resident(&stage), Work::now(&stage).await);
    let mut most = warm;
    for name in ["third", "fourth", "fifth"] {
        round(&stage, name, 2).await;
        most = most.max(resident(&stage));
    }
    let crowd = Work::now(&stage).await.since(before);
    println!("{crowd:?}; {warm:.0} MiB, at most {most:.0} MiB");
    // Each text is another one, and each is read once.
    assert_eq!(crowd.texts, 3.0 * CLIENTS as f64 * MODELS, "{crowd:?}");
    assert_eq!(crowd.computed, crowd.windows, "{crowd:?}");
    assert!(
        crowd.computed >= 2.0 * crowd.batches,
        "no batches form: {crowd:?}"
    );
    assert_eq!(crowd.cancelled, 0.0);
    assert!(
        most <= warm + SLACK,
        "{warm} MiB after two rounds, then {most} MiB"
    );
    is_empty(&stage).await;
    assert_eq!(stage.arrived(), 4 + 5 * CLIENTS as u64);
}

/// How many sentences make a text that keeps the model busy for so many seconds, on this machine as it is now.
async fn sized(stage: &Stage, seconds: f64) -> usize {
    const TRIED: usize = 20;
    let before = Work::now(stage).await;
    for client in 0..3 {
        passed(
            &spawn(stage.gateway.addr(), text("trial", client, TRIED))
                .await
                .unwrap(),
        );
    }
    let one = Work::now(stage).await.since(before).seconds / 3.0;
    let sentences = TRIED as f64 * seconds / one.max(1e-6);
    // Whole and small: no bound of the type is near.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let sentences = sentences.clamp(1.0, 400.0) as usize;
    sentences
}

#[tokio::test]
async fn who_leaves_takes_the_work_along() {
    let stage = Stage::top(TOP).await;
    // Those who stay make the model work for seconds; those who leave came behind them and wait.
    let sentences = sized(&stage, 4.0 / (CLIENTS / 2) as f64).await;
    let arrived = stage.arrived();
    let before = Work::now(&stage).await;
    let queued = |texts: usize| before.texts + texts as f64 * MODELS;
    let stay: Vec<_> = (0..CLIENTS / 2)
        .map(|client| spawn(stage.gateway.addr(), text("long", client, sentences)))
        .collect();
    let texts = "model_text_windows_count";
    stage
        .gateway
        .metric_reaches(texts, &[], queued(CLIENTS / 2))
        .await;
    let staying = Work::now(&stage).await.since(before);

    let mut leave = Vec::new();
    for client in CLIENTS / 2..CLIENTS {
        let mut raw = Raw::connect(stage.gateway.addr()).await;
        let id = format!("x-request-id: gone-{client}\r\n");
        raw.post(
            CHAT,
            &id,
            &chat(&text("long", client, sentences)).to_string(),
        )
        .await;
        leave.push(raw);
    }
    stage
        .gateway
        .metric_reaches(texts, &[], queued(CLIENTS))
        .await;
    let all = Work::now(&stage).await.since(before);
    for (client, raw) in leave.into_iter().enumerate() {
        match client % 2 {
            0 => raw.reset(),
            _ => drop(raw),
        }
    }

    for answer in join_all(stay).await {
        passed(&answer.unwrap());
    }
    let half = (CLIENTS / 2) as f64 * MODELS;
    let (dropped, reason) = ("model_dropped_texts_total", [("reason", "cancelled")]);
    stage.gateway.metric_reaches(dropped, &reason, half).await;
    is_empty(&stage).await;
    let done = Work::now(&stage).await.since(before);
    println!("{sentences} sentences each; staying {staying:?}; all {all:?}; done {done:?}");
    assert_eq!(done.texts, 2.0 * half, "{done:?}");
    assert_eq!(done.cancelled, half, "{done:?}");
    // Dropped before they cost anything: of the windows of those who left, hardly one ran.
    let left = all.windows - staying.windows;
    assert!(left >= half, "{all:?}");
    assert!(
        done.computed <= staying.windows + left / 2.0,
        "{done:?} of {all:?}"
    );
    assert_eq!(
        stage.arrived() - arrived,
        (CLIENTS / 2) as u64,
        "requests that reached a frontend"
    );
    for client in CLIENTS / 2..CLIENTS {
        let line = stage.gateway.access_line(&format!("gone-{client}")).await;
        assert_eq!(line["status"], 499, "{line}");
    }
}
