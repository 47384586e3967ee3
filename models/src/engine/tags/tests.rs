#![allow(clippy::unwrap_used)]

use super::*;

fn tags(labels: &[&str], thresholds: &[(&str, f32)]) -> Tags {
    let labels: Vec<String> = labels.iter().map(|l| (*l).to_owned()).collect();
    let thresholds = thresholds
        .iter()
        .map(|(l, t)| ((*l).to_owned(), *t))
        .collect();
    Tags::new(&labels, 0.5, &thresholds).unwrap()
}

/// Finds pieces in `text` whose tokens are `pieces` in order; each with the probabilities of its columns.
fn find(tags: &Tags, text: &str, pieces: &[(&str, &[f32])]) -> Vec<(String, String, f32)> {
    let (mut at, mut ranges) = (0, Vec::new());
    for (piece, _) in pieces {
        let start = at + text[at..].find(piece).unwrap();
        at = start + piece.len();
        ranges.push(start..at);
    }
    let logits: Vec<Vec<f32>> = pieces
        .iter()
        .map(|(_, p)| p.iter().map(|p| p.max(1e-9).ln()).collect())
        .collect();
    let rows = logits.iter().map(Vec::as_slice);
    tags.find(text, &Tokens::with_ranges(&ranges), rows, 1.0)
        .into_iter()
        .map(|s| (s.label, text[s.range].to_owned(), s.score))
        .collect()
}

const PERSON: &[&str] = &["O", "B-PER", "I-PER", "B-LOC", "I-LOC"];

#[test]
fn a_words_tokens_vote_together_and_the_piece_has_their_mean() {
    let tags = tags(PERSON, &[]);
    let found = find(
        &tags,
        "by Annabel Lee today",
        &[
            ("by", &[0.9, 0.1, 0.0, 0.0, 0.0]),
            // Alone the second half would be outside.
            ("Anna", &[0.1, 0.9, 0.0, 0.0, 0.0]),
            ("bel", &[0.6, 0.2, 0.1, 0.1, 0.0]),
            ("Lee", &[0.2, 0.0, 0.8, 0.0, 0.0]),
            ("today", &[0.8, 0.1, 0.1, 0.0, 0.0]),
        ],
    );
    assert_eq!(found.len(), 1);
    assert_eq!((&*found[0].0, &*found[0].1), ("PER", "Annabel Lee"));
    assert!((found[0].2 - 0.7).abs() < 1e-4, "{}", found[0].2);
}

#[test]
fn a_beginning_and_another_type_end_a_piece() {
    let tags = tags(PERSON, &[]);
    let begin: &[f32] = &[0.0, 0.9, 0.1, 0.0, 0.0];
    let place: &[f32] = &[0.0, 0.1, 0.0, 0.1, 0.8];
    let found = find(
        &tags,
        "Ana Bob Rome",
        &[("Ana", begin), ("Bob", begin), ("Rome", place)],
    );
    let texts: Vec<&str> = found.iter().map(|f| &*f.1).collect();
    assert_eq!(texts, ["Ana", "Bob", "Rome"]);
    assert_eq!(found[2].0, "LOC");
}

#[test]
fn thresholds_hold_for_the_mean_of_a_piece() {
    let pieces: &[(&str, &[f32])] = &[
        ("Ana", &[0.05, 0.95, 0.0, 0.0, 0.0]),
        ("Lee", &[0.25, 0.05, 0.7, 0.0, 0.0]),
    ];
    let found = |limit| find(&tags(PERSON, &[("PER", limit)]), "Ana Lee", pieces);
    assert_eq!(found(0.8)[0].1, "Ana Lee");
    assert!(found(0.9).is_empty());

    // Below one half a type needs not win against `O`.
    let pieces: &[(&str, &[f32])] = &[("Ana", &[0.65, 0.35, 0.0, 0.0, 0.0])];
    assert!(find(&tags(PERSON, &[]), "Ana", pieces).is_empty());
    assert_eq!(find(&tags(PERSON, &[("PER", 0.3)]), "Ana", pieces).len(), 1);
}

#[test]
fn white_space_inside_tokens_is_not_found_and_plain_labels_join() {
    let tags = tags(&["O", "NAME"], &[]);
    let found = find(
        &tags,
        "call  Ana Lee ",
        &[
            ("call", &[0.9, 0.1]),
            ("  Ana", &[0.1, 0.9]),
            (" Lee ", &[0.1, 0.9]),
        ],
    );
    assert_eq!(found.len(), 1);
    assert_eq!((&*found[0].0, &*found[0].1), ("NAME", "Ana Lee"));
}

#[test]
fn scripts_without_spaces_are_not_one_word() {
    let tags = tags(&["O", "B-LOC", "I-LOC"], &[]);
    let found = find(
        &tags,
        "我在北京工作",
        &[
            ("我在", &[0.9, 0.1, 0.0]),
            ("北京", &[0.1, 0.9, 0.0]),
            ("工作", &[0.9, 0.1, 0.0]),
        ],
    );
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, "北京");
}

#[test]
fn unknown_labels_and_thresholds_out_of_range_are_refused() {
    let labels = vec!["O".to_owned(), "B-PER".to_owned()];
    let of = |label: &str, t: f32| BTreeMap::from([(label.to_owned(), t)]);
    assert!(
        Tags::new(&labels, 0.5, &of("PERSON", 0.5))
            .unwrap_err()
            .contains("PERSON")
    );
    assert!(Tags::new(&labels, 0.5, &of("PER", 1.5)).is_err());
    assert!(Tags::new(&labels, f32::NAN, &BTreeMap::new()).is_err());
}
