//! What a cluster tells its observer.

use parking_lot::Mutex;

use super::*;

/// Writes down what it hears.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    fn heard(&self, text: &str) -> usize {
        let said = self.0.lock();
        said.iter().filter(|line| *line == text).count()
    }

    fn write(&self, line: String) {
        self.0.lock().push(line);
    }
}

impl ClusterObserver for Recorder {
    fn endpoints(&self, cluster: &str, count: usize) {
        self.write(format!("{cluster} endpoints {count}"));
    }
    fn discovery_failed(&self, _cluster: &str, error: &str) {
        self.write(format!(
            "discovery failed {}",
            error.contains("no such list")
        ));
    }
    fn endpoint_state(&self, _cluster: &str, _addr: SocketAddr, state: &State) {
        self.write(format!("state {}", state.as_str()));
    }
    fn endpoint_gone(&self, _cluster: &str, _addr: SocketAddr) {
        self.write("gone".to_owned());
    }
    fn probed(&self, _cluster: &str, _addr: SocketAddr, answered: bool, _took: Duration) {
        self.write(format!("probed {answered}"));
    }
    fn ejected(&self, _cluster: &str, _addr: SocketAddr, cause: EjectionCause, time: Duration) {
        self.write(format!("ejected {} {time:?}", cause.as_str()));
    }
    fn waiting(&self, _cluster: &str, waiting: u32) {
        self.write(format!("waiting {waiting}"));
    }
    fn admitted(&self, _cluster: &str, waited: Duration, in_flight: u32) {
        self.write(format!("admitted {} {in_flight}", waited.is_zero()));
    }
    fn rejected(&self, _cluster: &str, why: Rejected) {
        self.write(format!("rejected {why:?}"));
    }
    fn retry(&self, _cluster: &str, granted: bool) {
        self.write(format!("retry {granted}"));
    }
}

fn observed(config: ClusterConfig) -> (Arc<Recorder>, Arc<Cluster>) {
    let recorder = Arc::new(Recorder::default());
    let observer: Arc<dyn ClusterObserver> = recorder.clone();
    let models = vec!["a".to_owned()];
    let cluster = Cluster::start(config, models, &Handle::current(), observer).unwrap();
    (recorder, cluster)
}

#[tokio::test]
async fn endpoints_that_come_fail_and_go_are_told() {
    let (one, two) = (Frontend::start(&["a"]).await, Frontend::start(&["a"]).await);
    let (recorder, cluster) = observed(config(&[one.addr, two.addr], json!({})));
    eventually("both are ready", || cluster.offers("a").ready == 2).await;
    assert_eq!(recorder.heard("c endpoints 2"), 1);
    assert_eq!(recorder.heard("state ready"), 2);
    assert!(recorder.heard("probed true") >= 2);
    let picked = cluster.pick("a", None, &[]).unwrap();
    for _ in 0..5 {
        cluster.report(picked.endpoint(), Outcome::Status(500));
    }
    assert_eq!(recorder.heard("ejected errors 5s"), 1);
    one.kill().await;
    eventually("the loss is told", || {
        recorder.heard("state unreachable") == 1 && recorder.heard("probed false") > 0
    })
    .await;
    let only = [(two.addr, 1)].into();
    cluster.take_endpoints(&only);
    assert_eq!(
        (recorder.heard("gone"), recorder.heard("c endpoints 1")),
        (1, 1)
    );
}

#[tokio::test]
async fn limits_and_retries_are_told() {
    let change = json!({
        "endpoints": {"file": {"path": "no such list"}},
        "limits": {"max_in_flight": 1, "queue": {"max": 1, "deadline": "20ms"}},
        "retries": {"budget": {"percent": 0, "min_per_second": 0}},
    });
    let (recorder, cluster) = observed(config(&[], change));
    eventually("the failure is told", || {
        recorder.heard("discovery failed true") > 0
    })
    .await;
    let place = cluster.admit().await.unwrap();
    assert!(cluster.admit().await.is_err());
    drop(place);
    assert!(!cluster.may_retry());
    for line in [
        "admitted true 1",
        "waiting 1",
        "waiting 0",
        "rejected Deadline",
        "retry false",
    ] {
        assert_eq!(recorder.heard(line), 1, "{line}");
    }
    assert_eq!(
        cluster.pick("a", None, &[]).unwrap_err(),
        NoEndpoint::NoneKnown
    );
}
