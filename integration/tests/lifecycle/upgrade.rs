//! One process takes over from another.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use commutator_integration::gateway::{Gateway, Wait};
use commutator_integration::load::{self, LoadConfig, Stop};
use commutator_integration::wait::{eventually, find};
use commutator_simulator::Pace;

use super::notify::Manager;
use super::support::{assert_good, assert_serves, open_stream, options, pace, policy, simulators};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_fails_no_request() {
    // Longer than the hand-over's five seconds.
    let frontends = simulators(2, pace(Duration::from_millis(200), 50)).await;
    let manager = Manager::listen();
    let mut options = manager.of(options(""));
    options.wait = Wait::Frontends(2);
    let text = policy(&frontends).yaml();
    let mut old = Gateway::start(&text, options.clone()).await.unwrap();
    manager.hears("READY=1", 1).await;
    let stream = open_stream(&old).await;
    for frontend in &frontends {
        frontend.set_pace(Pace::default());
    }

    let stop = Stop::default();
    let mut fresh = LoadConfig::chat(old.addr(), "MoM", "Hello", false);
    fresh.connections = 4;
    fresh.headers = vec![("connection".to_owned(), "close".to_owned())];
    fresh.count = Some(u64::MAX);
    fresh.stop = stop.clone();
    let mut kept = LoadConfig::chat(old.addr(), "MoM", "Hello", true);
    kept.connections = 4;
    kept.count = Some(u64::MAX);
    kept.stop = stop.clone();
    let fresh = tokio::spawn(load::run(fresh));
    let kept = tokio::spawn(load::run(kept));

    // The new version comes with a new policy.
    std::fs::write(
        old.directory().join("policy.yaml"),
        policy(&frontends).cluster("balance: round_robin").yaml(),
    )
    .unwrap();
    let mut new = old.successor(&options).unwrap();
    new.awaits_listeners().await;
    find("the new process is waited for", || async {
        old.signal(libc::SIGQUIT);
        tokio::time::sleep(Duration::from_millis(100)).await;
        old.stderr().contains("handing the listeners").then_some(())
    })
    .await;
    let told = manager.messages().len();
    manager.hears(&format!("MAINPID={}", new.pid()), 1).await;
    // Reloaded by both, told by one.
    std::fs::write(old.directory().join("policy.yaml"), &text).unwrap();
    let reloaded = |gateway: &Gateway| gateway.stderr().matches("trigger=\"file\"").count();
    eventually("both reload", || reloaded(&old) >= 2 && reloaded(&new) >= 1).await;

    assert_good(&stream.collect().await);
    assert_eq!(old.wait_exit().await.code(), Some(0));
    stop.stop();
    let (fresh, kept) = (fresh.await.unwrap().unwrap(), kept.await.unwrap().unwrap());
    eprintln!("--- a connection each\n{fresh}--- kept connections\n{kept}");
    assert!(fresh.ok > 20 && kept.ok > 20);
    assert_eq!((fresh.failed(), kept.failed()), (0, 0));

    let status = new.admin("GET", "/status", "").await.json();
    assert_eq!(status["pid"], new.pid());
    assert_serves(&new).await;
    let messages = manager.messages().split_off(told);
    let by_old = format!("MAINPID={}", old.pid());
    assert!(
        messages
            .iter()
            .all(|m| !m.contains(&by_old) && !m.contains("STOPPING")),
        "{messages:?}"
    );
    assert!(!new.directory().join("upgrade.sock").exists());
}

#[tokio::test]
async fn nobody_to_take_over_is_no_reason_to_stop() {
    let frontends = simulators(1, Pace::default()).await;
    let text = policy(&frontends).yaml();
    let gateway = Gateway::start(text, options("")).await.unwrap();
    let ignored = || gateway.stderr().matches("SIGQUIT ignored").count();
    gateway.signal(libc::SIGQUIT);
    eventually("the signal is ignored", || ignored() == 1).await;
    // What a process that died while it waited has left.
    drop(UnixListener::bind(gateway.directory().join("upgrade.sock")).unwrap());
    gateway.signal(libc::SIGQUIT);
    eventually("the signal is ignored again", || ignored() == 2).await;
    assert_serves(&gateway).await;
    assert_eq!(gateway.admin("GET", "/readyz", "").await.status, 200);
}
