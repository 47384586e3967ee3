//! Putting the windows' numbers together.

use super::head::Head;
use super::windows::Window;
use crate::Score;

/// Softmax of `logits / temperature`, into `out`.
pub(crate) fn probabilities(logits: &[f32], temperature: f32, out: &mut Vec<f32>) {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    out.clear();
    out.extend(
        logits
            .iter()
            .map(|logit| ((logit - highest) / temperature).exp()),
    );
    let sum: f32 = out.iter().sum();
    for value in out.iter_mut() {
        *value /= sum;
    }
}

/// How much a window counts in a mean: the tokens that it is the best window for.
fn weight(window: &Window) -> f32 {
    window.owned.len().max(1) as f32
}

/// The mean of the windows' probabilities; `rows` are their logits.
pub(crate) fn mean(head: &Head, windows: &[Window], rows: &[&[f32]]) -> Vec<f32> {
    let mut sum = vec![0.0; head.info.width];
    let mut one = Vec::new();
    let mut total = 0.0;
    for (window, row) in windows.iter().zip(rows) {
        probabilities(row, head.temperature, &mut one);
        let weight = weight(window);
        total += weight;
        for (sum, value) in sum.iter_mut().zip(&one) {
            *sum += weight * value;
        }
    }
    for value in &mut sum {
        *value /= total;
    }
    sum
}

/// The probabilities of the window in which `columns` together are the most probable.
pub(crate) fn max(head: &Head, columns: &[usize], rows: &[&[f32]]) -> Vec<f32> {
    let (mut best, mut highest) = (Vec::new(), f32::NEG_INFINITY);
    let mut one = Vec::new();
    for row in rows {
        probabilities(row, head.temperature, &mut one);
        let sum = sum(&one, columns);
        if sum > highest {
            highest = sum;
            best.clone_from(&one);
        }
    }
    best
}

/// The probability of `columns` together.
pub(crate) fn sum(probabilities: &[f32], columns: &[usize]) -> f32 {
    columns.iter().map(|column| probabilities[*column]).sum()
}

/// The mean of the windows' vectors, brought back to length 1.
pub(crate) fn vector(windows: &[Window], rows: &[&[f32]]) -> Vec<f32> {
    let mut sum = vec![0.0; rows.first().map_or(0, |row| row.len())];
    for (window, row) in windows.iter().zip(rows) {
        let weight = weight(window);
        for (sum, value) in sum.iter_mut().zip(*row) {
            *sum += weight * value;
        }
    }
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        for value in &mut sum {
            *value /= length;
        }
    }
    sum
}

/// Labels and probabilities, most probable first.
pub(crate) fn scores(labels: &[String], probabilities: &[f32]) -> Vec<Score> {
    let mut scores: Vec<Score> = labels
        .iter()
        .zip(probabilities)
        .map(|(label, score)| Score {
            label: label.clone(),
            score: *score,
        })
        .collect();
    scores.sort_by(|a, b| b.score.total_cmp(&a.score));
    scores
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::head::tests_support::labelled;
    use crate::engine::options::Combine;

    fn windows() -> Vec<Window> {
        crate::engine::windows::cut(40, 30, 0, 9)
    }

    #[test]
    fn the_mean_counts_tokens() {
        let head = labelled(Combine::Mean, 1.0);
        let logit = |p: f32| vec![(1.0 - p).ln(), p.ln()];
        let rows = [logit(0.2), logit(0.8)];
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        // 30 tokens of 0.2 and 10 of 0.8.
        let mean = mean(&head, &windows(), &rows);
        assert!((mean[1] - 0.35).abs() < 1e-5, "{mean:?}");
    }

    #[test]
    fn the_worst_window_speaks_for_a_guard() {
        let head = labelled(Combine::Max(vec!["bad".to_owned()]), 2.0);
        let rows: [&[f32]; 2] = [&[0.0, 4.0], &[4.0, 0.0]];
        let probabilities = max(&head, &[1], &rows);
        assert!((probabilities[1] - 1.0 / (1.0 + (-2.0_f32).exp())).abs() < 1e-6);
        assert_eq!(scores(&head.info.labels, &probabilities)[0].label, "bad");
    }

    #[test]
    fn vectors_come_back_to_length_one() {
        let rows: [&[f32]; 2] = [&[1.0, 0.0], &[0.0, 1.0]];
        let vector = vector(&windows(), &rows);
        assert!((vector[0] / vector[1] - 3.0).abs() < 1e-5);
        let length: f32 = vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-6);
    }

    #[test]
    fn huge_logits_do_not_overflow() {
        let mut out = Vec::new();
        probabilities(&[1e30, -1e30, 1e30], 1.0, &mut out);
        assert_eq!(out, [0.5, 0.0, 0.5]);
    }
}
