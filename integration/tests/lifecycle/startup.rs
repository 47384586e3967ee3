//! What keeps the process from starting, and what does not.

use std::net::{IpAddr, Ipv4Addr};

use commutator_integration::client::{Certificate, Raw};
use commutator_integration::gateway::{Gateway, GatewayOptions, Wait};
use commutator_integration::wait::eventually;
use commutator_simulator::Pace;

use super::support::{assert_serves, options, policy, simulators};

/// EX_CONFIG of `sysexits.h`.
const EX_CONFIG: i32 = 78;

const POLICY: &str = "version: 1\nclusters: [{name: dynamo, endpoints: {static: [\"127.0.0.1:1\"]}}]\n\
                      models: [{name: general, cluster: dynamo}]\n";

async fn refuse(policy: &str, options: GatewayOptions, code: i32) -> String {
    let ended = Gateway::refuse(policy, options).await.unwrap();
    assert_eq!(ended.status.code(), Some(code), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    ended.stderr
}

#[tokio::test]
async fn every_mistake_is_named() {
    let said = refuse(
        POLICY,
        options("theads: 2\nlimits: {body: much}\nlog: {access: nowhere}"),
        EX_CONFIG,
    )
    .await;
    for text in ["gateway.yaml", "theads", "threads", "`much`", "nowhere"] {
        assert!(said.contains(text), "no {text} in {said}");
    }
    let said = refuse(
        "version: 2\nclusters: []\nmodels: []\n",
        options(""),
        EX_CONFIG,
    )
    .await;
    assert!(
        said.contains("policy.yaml:1") && said.contains("clusters"),
        "{said}"
    );

    let mut nowhere = options("");
    nowhere.args = vec!["--policy".to_owned(), "nowhere.yaml".to_owned()];
    let said = refuse(POLICY, nowhere, EX_CONFIG).await;
    assert!(said.contains("nowhere.yaml"), "{said}");

    let mut public = options("");
    public.admin_ip = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    let said = refuse(POLICY, public, EX_CONFIG).await;
    assert!(
        said.contains("admin.address") || said.contains("token"),
        "{said}"
    );
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_named() {
    let good = Certificate::new().unwrap();
    for key in ["no key at all".to_owned(), Certificate::new().unwrap().key] {
        let mut wrong = options("");
        let mut pair = good.clone();
        pair.key = key;
        wrong.certificate = Some(pair);
        let said = refuse(POLICY, wrong, 1).await;
        assert!(said.contains("key.pem"), "{said}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_named_and_an_early_hangup_does_no_harm() {
    let frontends = simulators(1, Pace::default()).await;
    let mut options = options("");
    options.wait = Wait::Spawned;
    let text = policy(&frontends).yaml();
    let mut gateway = Gateway::start(text, options.clone()).await.unwrap();
    // From its first line of code on; before, a signal is the kernel's.
    let ignores_hangup = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let masks = status.lines().filter_map(|line| {
            line.strip_prefix("SigIgn:")
                .or_else(|| line.strip_prefix("SigCgt:"))
        });
        masks
            .filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .any(|mask| mask & 1 != 0)
    };
    eventually("the process minds its signals", || {
        ignores_hangup(gateway.pid())
    })
    .await;
    for _ in 0..20 {
        gateway.signal(libc::SIGHUP);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    options.wait = Wait::Frontends(1);
    gateway.serves(&options).await.unwrap();
    assert_serves(&gateway).await;

    let mut second = gateway.sibling(&options).unwrap();
    assert_eq!(second.wait_exit().await.code(), Some(1));
    let said = || second.stderr().contains(&gateway.addr().to_string());
    eventually("the address is named", said).await;
    assert_serves(&gateway).await;
}

#[tokio::test]
async fn an_http_1_0_client_gets_the_end_of_its_connection() {
    let gateway = Gateway::start(
        POLICY,
        GatewayOptions {
            wait: Wait::Live,
            ..options("")
        },
    )
    .await
    .unwrap();
    let mut raw = Raw::connect(gateway.addr()).await;
    // Below 24 bytes Pingora still waits for what may become the preface of HTTP/2.
    raw.send("GET /live HTTP/1.0\r\nhost: gateway\r\n\r\n")
        .await;
    assert_eq!(raw.answer().await.status, 200);
    assert!(raw.try_head().await.is_none(), "it is kept open");
}
