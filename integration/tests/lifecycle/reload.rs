//! A new policy while the gateway serves.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use commutator_integration::gateway::{Gateway, Wait};
use commutator_integration::wait::find;
use commutator_simulator::{Pace, Simulator};
use serde_json::Value;

use super::support::{
    assert_good, assert_serves, open_stream, options, pace, policy, policy_page, revision,
    revision_reaches, simulators, usage,
};

fn write(gateway: &Gateway, text: &str) {
    std::fs::write(gateway.directory().join("policy.yaml"), text).unwrap();
}

async fn reloads(gateway: &Gateway, trigger: &str, result: &str) -> f64 {
    let labels = [("trigger", trigger), ("result", result)];
    gateway.metrics().await.sum("reloads_total", &labels)
}

#[tokio::test]
async fn signals_requests_and_changed_files_reload_and_broken_files_change_nothing() {
    let frontends = simulators(1, Pace::default()).await;
    let good = policy(&frontends).yaml();
    let gateway = Gateway::start(&good, options("")).await.unwrap();
    assert_eq!(revision(&gateway).await, 1);

    gateway.signal(libc::SIGHUP);
    revision_reaches(&gateway, 2).await;
    assert_eq!(reloads(&gateway, "sighup", "ok").await, 1.0);
    let answer = gateway.admin("POST", "/reload", "").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["revision"]),
        (200, &Value::from(3))
    );

    write(&gateway, &format!("{good}\n# in place\n"));
    revision_reaches(&gateway, 4).await;
    let beside = gateway.directory().join("policy.new");
    std::fs::write(&beside, format!("{good}\n# renamed\n")).unwrap();
    std::fs::rename(&beside, gateway.directory().join("policy.yaml")).unwrap();
    revision_reaches(&gateway, 5).await;
    assert_eq!(reloads(&gateway, "file", "ok").await, 2.0);
    assert_eq!(
        policy_page(&gateway).await["last_reload"]["trigger"],
        "file"
    );

    write(&gateway, &good.replace("default_model", "defaultmodel"));
    let report = find("the report of a broken file", || async {
        let report = policy_page(&gateway).await["last_reload"].clone();
        (report["ok"] == false).then_some(report)
    })
    .await;
    assert_eq!(report["revision"], 5);
    let mistake = &report["errors"][0];
    let line = good
        .lines()
        .position(|line| line.starts_with("default_model"))
        .unwrap()
        + 1;
    assert_eq!(mistake["line"], line, "{report}");
    assert_eq!(mistake["column"], 1, "{report}");
    assert!(
        mistake["file"].as_str().unwrap().ends_with("policy.yaml"),
        "{report}"
    );
    assert!(
        report["error"].as_str().unwrap().contains("defaultmodel"),
        "{report}"
    );
    assert_eq!(reloads(&gateway, "file", "error").await, 1.0);
    assert_serves(&gateway).await;
    let refused = gateway.admin("POST", "/reload", "").await;
    assert_eq!(refused.status, 422);
    assert_eq!(revision(&gateway).await, 5);

    // No file at all is no policy either.
    std::fs::remove_file(gateway.directory().join("policy.yaml")).unwrap();
    find("the missing file is reported", || async {
        (reloads(&gateway, "file", "error").await >= 2.0).then_some(())
    })
    .await;
    assert_serves(&gateway).await;

    write(&gateway, &good);
    revision_reaches(&gateway, 6).await;
    assert_eq!(policy_page(&gateway).await["last_reload"]["ok"], true);
}

/// Writes a directory as the kubelet does: each version in a directory of its own, `..data` a link to it that is
/// replaced by renaming.
fn publish(volume: &Path, version: u32, text: &str) {
    let directory = volume.join(format!("..version_{version}"));
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("policy.yaml"), text).unwrap();
    let new = volume.join("..data_tmp");
    symlink(directory.file_name().unwrap(), &new).unwrap();
    std::fs::rename(&new, volume.join("..data")).unwrap();
    if version > 1 {
        let old = volume.join(format!("..version_{}", version - 1));
        std::fs::remove_dir_all(old).unwrap();
    }
}

#[tokio::test]
async fn a_config_map_reloads_when_its_link_is_swapped() {
    let frontends = simulators(1, Pace::default()).await;
    let good = policy(&frontends).yaml();
    let volume = tempfile::tempdir().unwrap();
    publish(volume.path(), 1, &good);
    let file = volume.path().join("policy.yaml");
    symlink("..data/policy.yaml", &file).unwrap();
    let mut options = options("");
    options.args = vec!["--policy".to_owned(), file.display().to_string()];
    let gateway = Gateway::start("", options).await.unwrap();
    for version in 2..5 {
        publish(
            volume.path(),
            version,
            &format!("{good}\n# version {version}\n"),
        );
        revision_reaches(&gateway, version.into()).await;
    }
    assert_eq!(reloads(&gateway, "file", "error").await, 0.0);
}

fn endpoint<'a>(status: &'a Value, frontend: &Simulator) -> Option<&'a Value> {
    let addr = frontend.addr().to_string();
    let clusters = status["clusters"].as_array()?.iter();
    let mut endpoints = clusters.flat_map(|cluster| cluster["endpoints"].as_array().unwrap());
    endpoints.find(|endpoint| endpoint["addr"] == addr)
}

#[tokio::test]
async fn a_stream_keeps_its_policy_and_an_endpoint_that_is_gone_finishes_it() {
    let frontends = simulators(2, pace(Duration::from_millis(50), 60)).await;
    let mut options = options("");
    options.wait = Wait::Frontends(2);
    let gateway = Gateway::start(policy(&frontends).yaml(), options)
        .await
        .unwrap();
    let stream = open_stream(&gateway).await;
    let id = stream.headers["x-request-id"].to_str().unwrap().to_owned();
    let busy = usize::from(frontends[1].active() == 1);
    let (gone, left) = (&frontends[busy], &frontends[1 - busy]);

    // What is known of an endpoint outlives a reload: of the same cluster, and of one that has changed.
    let drain = format!("/drain?cluster=dynamo&endpoint={}", gone.addr());
    assert_eq!(gateway.admin("POST", &drain, "").await.status, 200);
    for change in ["", "balance: random"] {
        let text = policy(&frontends).cluster(change).yaml();
        assert_eq!(gateway.reload(text).await.status, 200);
        let status = gateway.admin("GET", "/status", "").await.json();
        let seen = endpoint(&status, gone).unwrap();
        assert_eq!(
            (&seen["draining"], &seen["outstanding"]),
            (&true.into(), &1.into())
        );
        assert_eq!(endpoint(&status, left).unwrap()["state"], "ready");
    }

    let without = policy(std::slice::from_ref(left)).yaml();
    assert_eq!(gateway.reload(without).await.status, 200);
    let status = gateway.admin("GET", "/status", "").await.json();
    assert_eq!(
        endpoint(&status, gone).unwrap()["leaving"],
        true,
        "{status}"
    );
    left.set_pace(Pace::default());
    for _ in 0..4 {
        assert_serves(&gateway).await;
    }
    assert_eq!((gone.total(), left.total()), (1, 4));

    let answer = stream.collect().await;
    assert_good(&answer);
    let line = gateway.access_line(&id).await;
    assert_eq!(
        (&line["revision"], &line["complete"]),
        (&1.into(), &true.into())
    );
    assert_eq!(line["upstream"], gone.addr().to_string());
    find("the endpoint is forgotten", || async {
        let status = gateway.admin("GET", "/status", "").await.json();
        endpoint(&status, gone).is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn reloads_leave_nothing_behind() {
    let frontends = simulators(2, Pace::default()).await;
    let gateway = Gateway::start(policy(&frontends).yaml(), options(""))
        .await
        .unwrap();
    let text = |number: u32| match number % 4 {
        0 => policy(&frontends).yaml(),
        1 => policy(&frontends).cluster("balance: round_robin").yaml(),
        2 => policy(&frontends).yaml().replace("dynamo", "other"),
        _ => "version: [".to_owned(),
    };
    for number in 0..12 {
        gateway.reload(text(number)).await;
    }
    let before = usage(gateway.pid());
    for number in 0..48 {
        gateway.reload(text(number)).await;
    }
    assert_serves(&gateway).await;
    // Sockets and tasks of what was replaced end a moment later.
    find("it uses what it used before", || async {
        let after = usage(gateway.pid());
        let same = after.threads <= before.threads + 2
            && after.descriptors <= before.descriptors + 8
            && after.resident_kib <= before.resident_kib + 16 * 1024;
        if !same {
            eprintln!("{before:?} {after:?}");
        }
        same.then_some(())
    })
    .await;
}
