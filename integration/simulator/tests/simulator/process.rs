//! The binary.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::client::*;

/// Ends the process with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(args: &[&str]) -> (Process, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_commutator-simulator"))
        .args(["--listen", "127.0.0.1:0"])
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let addr = line
        .trim()
        .rsplit_once("http://")
        .unwrap()
        .1
        .parse()
        .unwrap();
    (Process(child), addr)
}

#[tokio::test]
async fn it_serves_on_several_threads() {
    let (_process, addr) = start(&[
        "--name",
        "frontend-b",
        "--models",
        "a,org/b",
        "--threads",
        "2",
        "--tokens",
        "3",
        "--nodelay",
        "--no-record",
    ]);
    let body = json!({"model": "org/b", "messages": [{"role": "user", "content": "x"}]});
    for _ in 0..4 {
        let mut client = Client::connect(addr).await;
        let answer = client.post(CHAT, &body).await.json();
        assert_eq!(answer["usage"]["completion_tokens"], 3);
        let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(
            text.starts_with("[simulated by frontend-b] model=org/b"),
            "{text}"
        );
        let state = client.get("/simulator/state").await.json();
        assert_eq!(state["name"], "frontend-b");
    }
}

#[tokio::test]
async fn it_drains_on_sigterm_and_exits_when_idle() {
    let (mut process, addr) = start(&["--models", "math", "--ttft", "300"]);
    let mut client = Client::connect(addr).await;
    let running = client
        .0
        .send_request(request(CHAT, streamed("x").to_string()));
    let running = running.await.unwrap();
    let pid = process.0.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    assert_eq!(collect(running).await.data().last(), Some(&"[DONE]"));
    eventually("it exits", || {
        process
            .0
            .try_wait()
            .unwrap()
            .is_some_and(|status| status.success())
    })
    .await;
}
