//! What the service manager hears.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use commutator_integration::gateway::{Gateway, GatewayOptions, Wait};
use commutator_integration::wait::eventually;
use commutator_simulator::Pace;
use tempfile::TempDir;

use super::support::{options, policy, simulators};

/// A service manager that only listens.
pub(crate) struct Manager {
    directory: TempDir,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Manager {
    pub(crate) fn listen() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&heard);
        // Ends with the test's process.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(size) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..size]).into_owned();
                into.lock().unwrap().push(text);
            }
        });
        Self { directory, heard }
    }

    fn socket(&self) -> String {
        self.directory.path().join("notify").display().to_string()
    }

    /// Lets a process speak to this manager.
    pub(crate) fn of(&self, mut options: GatewayOptions) -> GatewayOptions {
        options
            .env
            .push(("NOTIFY_SOCKET".to_owned(), self.socket()));
        options
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// How many messages hold this line.
    pub(crate) fn count(&self, line: &str) -> usize {
        let messages = self.messages();
        let holds = |message: &&String| message.lines().any(|l| l == line);
        messages.iter().filter(holds).count()
    }

    pub(crate) async fn hears(&self, line: &str, times: usize) {
        eventually(&format!("{line} {times} times"), || {
            self.count(line) >= times
        })
        .await;
    }
}

#[tokio::test]
async fn ready_means_a_ready_frontend_and_reloads_are_framed() {
    let frontends = simulators(1, Pace::default()).await;
    frontends[0].stop().await;
    let manager = Manager::listen();
    let mut options = manager.of(options(""));
    options.wait = Wait::Live;
    options
        .env
        .push(("WATCHDOG_USEC".to_owned(), "600000".to_owned()));
    let text = policy(&frontends)
        .cluster("readiness: {interval: 200ms}")
        .yaml();
    let mut gateway = Gateway::start(&text, options).await.unwrap();
    manager.hears("STATUS=waiting for a frontend", 1).await;
    // A reload does not make it ready.
    assert_eq!(
        gateway.reload(format!("{text}\n# again\n")).await.status,
        200
    );
    manager.hears("STATUS=policy revision 2", 1).await;
    assert_eq!(
        (manager.count("READY=1"), manager.count("RELOADING=1")),
        (0, 0)
    );

    frontends[0].restart().await.unwrap();
    manager.hears("READY=1", 1).await;
    let ready = manager
        .messages()
        .into_iter()
        .find(|m| m.contains("READY=1"))
        .unwrap();
    assert!(
        ready.contains(&format!("MAINPID={}", gateway.pid())),
        "{ready}"
    );
    manager.hears("WATCHDOG=1", 3).await;

    let before = manager.messages().len();
    let reloads = manager.count("RELOADING=1");
    gateway.admin("POST", "/reload", "").await;
    assert_eq!(gateway.reload("version: 7").await.status, 422);
    manager.hears("RELOADING=1", reloads + 2).await;
    manager.hears("READY=1", 3).await;
    let framed: Vec<_> = manager.messages().split_off(before);
    let framed: Vec<_> = framed
        .iter()
        .filter(|m| m.contains("RELOADING=1") || m.contains("READY=1"))
        .collect();
    for (index, message) in framed.iter().enumerate() {
        let wanted = if index % 2 == 0 {
            "RELOADING=1"
        } else {
            "READY=1"
        };
        assert!(message.contains(wanted), "{framed:?}");
        assert_eq!(
            message.contains("MONOTONIC_USEC="),
            index % 2 == 0,
            "{framed:?}"
        );
    }
    assert!(
        framed.iter().any(|m| m.contains("the file has mistakes")),
        "{framed:?}"
    );

    gateway.signal(libc::SIGTERM);
    assert_eq!(gateway.wait_exit().await.code(), Some(0));
    manager.hears("STOPPING=1", 1).await;
    let messages = manager.messages();
    let stopping = messages
        .iter()
        .position(|m| m.contains("STOPPING=1"))
        .unwrap();
    assert!(
        messages[stopping..].iter().all(|m| !m.contains("READY=1")),
        "{messages:?}"
    );
}

#[tokio::test]
async fn ready_at_once_where_no_frontend_is_waited_for() {
    let frontends = simulators(1, Pace::default()).await;
    frontends[0].stop().await;
    let manager = Manager::listen();
    let mut options = manager.of(options(""));
    options.wait = Wait::Live;
    options.args.push("--wait-for-upstream=false".to_owned());
    let gateway = Gateway::start(policy(&frontends).yaml(), options)
        .await
        .unwrap();
    manager.hears("READY=1", 1).await;
    assert_eq!(gateway.admin("GET", "/readyz", "").await.status, 503);
}

#[tokio::test]
async fn nobody_listening_does_no_harm() {
    let frontends = simulators(1, Pace::default()).await;
    let mut options = options("");
    let nowhere = Path::new("/nonexistent/notify").display().to_string();
    options.env.push(("NOTIFY_SOCKET".to_owned(), nowhere));
    let gateway = Gateway::start(policy(&frontends).yaml(), options)
        .await
        .unwrap();
    let told = || {
        gateway
            .stderr()
            .contains("the service manager cannot be told")
    };
    eventually("the failure is logged", told).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    super::support::assert_serves(&gateway).await;
}
