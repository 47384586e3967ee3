//! The measurements.

use std::time::Duration;

use anyhow::bail;

use super::client::{self, Client};
use super::entrant::{Kind, Running};
use super::record::{Streams, Window};
use super::workload::{self, Workload};
use crate::load::{self, LoadConfig, Report};

/// A window with a failed request is repeated up to so many times.
const TRIES: u32 = 3;
/// Streams on a fresh connection that do not count: TCP begins every connection with quick acknowledgements.
const WARM_STREAMS: usize = 5;

/// One window of load.
pub(super) fn window(
    entrant: &Running,
    workload: &Workload,
    length: Duration,
    round: usize,
) -> anyhow::Result<Window> {
    let mut invalid = 0;
    loop {
        let (report, cpu) = attempt(entrant, workload, length)?;
        if report.failed() == 0 && report.ok > 0 {
            return Ok(Window::new(
                entrant.kind,
                workload.id,
                round,
                invalid,
                &report,
                cpu,
            ));
        }
        invalid += 1;
        eprintln!(
            "bench: {}, {}: invalid window:\n{report}",
            entrant.kind, workload.id
        );
        if invalid == TRIES {
            bail!(
                "{}: {TRIES} windows with failed requests, one after the other",
                entrant.kind
            );
        }
    }
}

fn attempt(
    entrant: &Running,
    workload: &Workload,
    length: Duration,
) -> anyhow::Result<(Report, Option<Duration>)> {
    let body = workload::chat(workload::model(entrant.kind), workload.size, false);
    let mut config = LoadConfig::new(entrant.addr, "/v1/chat/completions", vec![body]);
    config.connections = workload.connections;
    // Warm-up is a load of its own, so that CPU time and requests are of the same window.
    config.duration = Some(length.div_f64(15.0));
    load::run_blocking(&config)?;
    config.duration = Some(length);
    let before = entrant.cpu();
    let report = load::run_blocking(&config)?;
    let cpu = entrant
        .cpu()
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before));
    Ok((report, cpu))
}

/// Streams from all entrants, one from each in turn, each on a connection that is kept.
pub(super) fn first_events(
    entrants: &[Running],
    count: usize,
    round: usize,
) -> anyhow::Result<Vec<Streams>> {
    let mut clients = Vec::new();
    for entrant in entrants {
        let request = client::request(entrant, 1 << 10, true, &[]);
        clients.push((
            entrant.kind,
            Client::connect(entrant.addr)?,
            request,
            Vec::new(),
        ));
    }
    for number in 0..count + WARM_STREAMS {
        for (kind, client, request, times) in &mut clients {
            let answer = client.exchange(request)?;
            let Some(first) = answer.first_event.filter(|_| answer.is_good_stream()) else {
                bail!("{kind}: a stream failed: {}", answer.text());
            };
            if number >= WARM_STREAMS {
                times.push(first.as_secs_f64() * 1e6);
            }
        }
    }
    let streams = |(kind, _, _, times): (Kind, _, _, Vec<f64>)| Streams {
        entrant: kind,
        round,
        first_event_us: times,
    };
    Ok(clients.into_iter().map(streams).collect())
}

/// Memory with `count` streams open, each after its first event; `None` without a process.
pub(super) fn open_streams(entrant: &Running, count: usize) -> anyhow::Result<Option<f64>> {
    if entrant.rss().is_none() {
        return Ok(None);
    }
    let request = client::request(
        entrant,
        1 << 10,
        true,
        &[("x-simulate", "hang_mid_stream:1")],
    );
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = Client::connect(entrant.addr)?;
        client.begin(&request)?;
        open.push(client);
    }
    let rss = entrant.rss();
    drop(open);
    Ok(rss)
}
