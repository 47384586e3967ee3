//! The table, in Markdown.

use std::fmt::Write;

use super::entrant::Kind;
use super::record::{Record, Streams, Window};
use super::workload::LOADS;

/// Everything that was measured, as people read it.
pub(super) fn render(record: &Record) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = head(&mut out, record);
    for workload in LOADS {
        let _ = load(
            &mut out,
            record,
            workload.id,
            workload.size,
            workload.connections,
        );
    }
    let _ = streams(
        &mut out,
        "Time to the first event of a stream (sockets with TCP_NODELAY)",
        &record.streams,
    );
    let _ = streams(
        &mut out,
        "Time to first token, Dynamo's sockets (no TCP_NODELAY, first token after 15 ms)",
        &record.dynamo,
    );
    let _ = memory(&mut out, record);
    let _ = aims(&mut out, record);
    out.push_str(&super::guards::render(&record.guards));
    out
}

fn head(out: &mut String, record: &Record) -> std::fmt::Result {
    let machine = &record.machine;
    writeln!(
        out,
        "Commit {}, {}, {} rounds of {} s, {:.0} s in all{}. {}.",
        record.commit,
        record.date,
        record.rounds,
        record.seconds,
        record.took,
        if record.pinned { ", pinned" } else { "" },
        record.versions.join(", "),
    )?;
    writeln!(
        out,
        "{} x {}, {} MiB, Linux {}; load average before: {}.",
        machine.cores, machine.cpu, machine.memory_mib, machine.kernel, machine.load_before
    )?;
    for kind in &record.missing {
        writeln!(out, "\n**SKIPPED: {kind}: the program is not here.**")?;
    }
    let invalid: u32 = record
        .windows
        .iter()
        .map(|window| window.invalid_before)
        .sum();
    writeln!(
        out,
        "{} windows, {invalid} thrown away because of failed requests.",
        record.windows.len()
    )
}

fn entrants(record: &Record) -> impl Iterator<Item = Kind> {
    let present = |kind: &Kind| record.memory.iter().any(|memory| memory.entrant == *kind);
    Kind::ALL.iter().copied().filter(present)
}

fn load(
    out: &mut String,
    record: &Record,
    id: &str,
    size: usize,
    connections: usize,
) -> std::fmt::Result {
    writeln!(
        out,
        "\n### {} KiB, {connections} connections; latency at 1 connection\n",
        size >> 10
    )?;
    writeln!(
        out,
        "| | req/s | CPU us/req | x Envoy | p50 us | p99 us | added p50 | added p99 |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|"
    )?;
    let alone = format!("{id}-latency");
    for kind in entrants(record) {
        let rows = rounds(record, id, kind);
        let latency = rounds(record, &alone, kind);
        let direct = rounds(record, &alone, Kind::Direct);
        let added = |of: fn(&Window) -> f64| {
            median(
                pairs(&latency, &direct)
                    .map(|(a, b)| of(a) - of(b))
                    .collect(),
            )
        };
        let p50: fn(&Window) -> f64 = |w| w.p50_us;
        let p99: fn(&Window) -> f64 = |w| w.p99_us;
        let own = kind == Kind::Direct;
        writeln!(
            out,
            "| {kind} | {} | {} | {} | {} | {} | {} | {} |",
            show(median(rows.iter().map(|w| w.rate).collect()), 0),
            show(median(rows.iter().filter_map(|w| w.cpu_us).collect()), 1),
            show(ratio(record, id, kind), 2),
            show(median(latency.iter().map(|w| w.p50_us).collect()), 0),
            show(median(latency.iter().map(|w| w.p99_us).collect()), 0),
            show(added(p50).filter(|_| !own), 0),
            show(added(p99).filter(|_| !own), 0),
        )?;
    }
    Ok(())
}

fn streams(out: &mut String, title: &str, all: &[Streams]) -> std::fmt::Result {
    writeln!(out, "\n### {title}\n")?;
    writeln!(
        out,
        "| | p50 us | p99 us | added p50 | added p99 |\n|---|---:|---:|---:|---:|"
    )?;
    let direct = times(all, Kind::Direct);
    for kind in Kind::ALL {
        let own = times(all, *kind);
        let added = |q| match kind {
            Kind::Direct => None,
            _ => Some(quantile(&own, q)? - quantile(&direct, q)?),
        };
        if !own.is_empty() {
            writeln!(
                out,
                "| {kind} | {} | {} | {} | {} |",
                show(quantile(&own, 0.5), 0),
                show(quantile(&own, 0.99), 0),
                show(added(0.5), 0),
                show(added(0.99), 0)
            )?;
        }
    }
    Ok(())
}

fn memory(out: &mut String, record: &Record) -> std::fmt::Result {
    writeln!(out, "\n### Resident memory, MiB\n")?;
    writeln!(
        out,
        "| | idle | after the load | 500 open streams |\n|---|---:|---:|---:|"
    )?;
    for row in record.memory.iter().filter(|row| row.idle_mib.is_some()) {
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            row.entrant,
            show(row.idle_mib, 1),
            show(row.after_load_mib, 1),
            show(row.streams_mib, 1)
        )?;
    }
    Ok(())
}

/// The aims of the first benchmark, each with what was measured.
fn aims(out: &mut String, record: &Record) -> std::fmt::Result {
    let first = |kind| quantile(&times(&record.streams, kind), 0.5);
    let added = first(Kind::Policy)
        .zip(first(Kind::Direct))
        .map(|(a, b)| a - b);
    let idle = record.memory.iter().find(|row| row.entrant == Kind::Policy);
    let aims = [
        (
            "CPU at 1 KiB, example policy / plain Envoy",
            ratio(record, "1k", Kind::Policy),
            1.0,
            2,
        ),
        (
            "CPU at 100 KiB, example policy / plain Envoy",
            ratio(record, "100k", Kind::Policy),
            1.2,
            2,
        ),
        (
            "idle memory, MiB",
            idle.and_then(|row| row.idle_mib),
            25.0,
            1,
        ),
        ("first event later than direct, p50 us", added, 100.0, 0),
    ];
    writeln!(out, "\n| aim | at most | measured | |\n|---|---:|---:|---|")?;
    for (name, most, value, digits) in
        aims.map(|(name, value, most, digits)| (name, most, value, digits))
    {
        let verdict = match value {
            Some(value) if value <= most => "met",
            Some(_) => "missed",
            None => "not measured",
        };
        writeln!(
            out,
            "| {name} | {most} | {} | {verdict} |",
            show(value, digits)
        )?;
    }
    Ok(())
}

fn rounds<'a>(record: &'a Record, workload: &str, kind: Kind) -> Vec<&'a Window> {
    let all = record.windows.iter();
    all.filter(|window| window.workload == workload && window.entrant == kind)
        .collect()
}

/// Windows of the same round.
fn pairs<'a>(
    of: &'a [&'a Window],
    to: &'a [&'a Window],
) -> impl Iterator<Item = (&'a Window, &'a Window)> {
    of.iter().filter_map(|window| {
        let other = to.iter().find(|other| other.round == window.round)?;
        Some((*window, *other))
    })
}

/// CPU time a request against Envoy's in the same round.
fn ratio(record: &Record, workload: &str, kind: Kind) -> Option<f64> {
    let (own, envoy) = (
        rounds(record, workload, kind),
        rounds(record, workload, Kind::Envoy),
    );
    let ratios = pairs(&own, &envoy).filter_map(|(own, envoy)| Some(own.cpu_us? / envoy.cpu_us?));
    median(ratios.collect())
}

fn times(all: &[Streams], kind: Kind) -> Vec<f64> {
    let own = all.iter().filter(|streams| streams.entrant == kind);
    own.flat_map(|streams| streams.first_event_us.iter().copied())
        .collect()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// Nearest rank.
fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small and positive"
    )]
    let rank = (values.len() as f64 * q).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

fn show(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_nothing_is_nothing() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(quantile(&[], 0.5), None);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.99), Some(99.0));
        assert_eq!(quantile(&hundred, 0.5), Some(50.0));
        assert_eq!(quantile(&hundred, 1.0), Some(100.0));
    }
}
