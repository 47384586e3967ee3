//! Models as a table.

use commutator_models::source::Holding;

use super::progress::size;

const HEAD: [&str; 6] = ["MODEL", "REVISION", "SIZE", "TASK", "LABELS", "LICENCE"];

/// Labels beyond these are only counted.
const LABELS_SHOWN: usize = 4;

/// One line a task, and one for each thing that is wrong.
pub(super) fn of(held: &[Holding]) -> String {
    let mut rows: Vec<[String; 6]> = vec![HEAD.map(str::to_owned)];
    for model in held {
        rows.extend(rows_of(model));
    }
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or_default()
        })
        .collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    for model in held {
        for problem in &model.problems {
            text.push_str(&format!("{}: {problem}\n", model.source));
        }
    }
    text
}

fn rows_of(model: &Holding) -> Vec<[String; 6]> {
    let revision = match model.refs.as_slice() {
        [] => short(&model.revision),
        refs => format!("{} ({})", short(&model.revision), refs.join(", ")),
    };
    let mut first = [
        model.source.to_string(),
        revision,
        size(model.bytes),
        String::new(),
        String::new(),
        model.description.license.clone().unwrap_or_default(),
    ];
    let mut rows = Vec::new();
    for task in &model.description.tasks {
        let mut row = std::mem::take(&mut first);
        row[3] = if task.task == task.name {
            task.task.clone()
        } else {
            format!("{} ({})", task.name, task.task)
        };
        row[4] = labels(&task.labels);
        rows.push(row);
    }
    if rows.is_empty() {
        rows.push(first);
    }
    rows
}

fn short(revision: &str) -> String {
    revision.chars().take(12).collect()
}

fn labels(labels: &[String]) -> String {
    let shown = labels
        .iter()
        .take(LABELS_SHOWN)
        .cloned()
        .collect::<Vec<_>>();
    match labels.len().saturating_sub(LABELS_SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use commutator_models::source::{Description, Task};

    #[test]
    fn a_model_with_several_tasks_has_a_line_for_each() {
        let held = Holding {
            source: "bundle".parse().unwrap(),
            dir: "/b".into(),
            revision: "feedfacecafe".to_owned(),
            refs: Vec::new(),
            bytes: 41_000_000,
            description: Description {
                tasks: vec![
                    Task {
                        name: "domain".to_owned(),
                        task: "sequence".to_owned(),
                        labels: "abcdef".chars().map(String::from).collect(),
                    },
                    Task {
                        name: "embedding".to_owned(),
                        task: "embedding".to_owned(),
                        labels: Vec::new(),
                    },
                ],
                license: Some("apache-2.0".to_owned()),
            },
            problems: vec!["x: is missing".to_owned()],
        };
        let expected = "\
MODEL   REVISION      SIZE     TASK               LABELS                 LICENCE
bundle  feedfacecafe  41.0 MB  domain (sequence)  a, b, c, d and 2 more  apache-2.0
                               embedding
bundle: x: is missing
";
        assert_eq!(of(&[held]), expected);
    }
}
