//! However a stream is cut, the client reads the same.

use proptest::prelude::*;
use serde_json::json;

use super::super::plain::{Plain, tests::escaped};
use super::said::{Place, Texts, expected, is_consistent, places, read, stream};
use super::*;

const APIS: [Api; 4] = [
    Api::ChatCompletions,
    Api::Completions,
    Api::Responses,
    Api::Messages,
];

/// Texts with things to find, some of them JSON.
fn text() -> impl Strategy<Value = String> {
    "(secret|sec|ret|E-123456|E-12|\u{e9}\u{1f600}|\"|\\\\|\n| |[a-z]{1,6}){0,14}"
}

/// Pieces in an order in which a model could say them.
fn script(api: Api) -> impl Strategy<Value = Vec<(Place, String)>> {
    let places = places(api);
    let text = prop::sample::select(places);
    let one = (text, text_pieces());
    prop::collection::vec(one, 1..4).prop_flat_map(|texts| {
        let mut pieces = Vec::new();
        let mut seen: Vec<Place> = Vec::new();
        let mut queues: Vec<(Place, Vec<String>)> = Vec::new();
        for (place, text) in texts {
            if !seen.contains(&place) {
                seen.push(place);
                let text = match is_json(&place) {
                    true => in_a_string(text),
                    false => text,
                };
                queues.push((place, text));
            }
        }
        // Reasoning comes first: it ends where something else of its choice begins.
        queues.sort_by_key(|((_, what), _)| !what.starts_with("reasoning"));
        let reasoning = queues
            .iter()
            .filter(|((_, what), _)| what.starts_with("reasoning"))
            .count();
        for (place, texts) in queues.drain(..reasoning) {
            pieces.extend(texts.into_iter().map(|text| (place, text)));
        }
        let longest = queues
            .iter()
            .map(|(_, texts)| texts.len())
            .max()
            .unwrap_or(0);
        for round in 0..longest {
            for (place, texts) in &queues {
                pieces.extend(texts.get(round).map(|text| (*place, text.clone())));
            }
        }
        Just(pieces)
    })
}

/// The pieces as they would stand inside a string of JSON, some characters escaped.
fn in_a_string(pieces: Vec<String>) -> Vec<String> {
    let size = pieces.first().map_or(1, |piece| piece.chars().count());
    let text = json!({"a": pieces.concat(), "n": 12345});
    let text: Vec<char> = escaped(&text, size + 1).chars().collect();
    text.chunks(size.max(1))
        .map(|piece| piece.iter().collect())
        .collect()
}

fn text_pieces() -> impl Strategy<Value = Vec<String>> {
    (text(), prop::collection::vec(1..7usize, 1..20)).prop_map(|(text, sizes)| {
        let mut chars = text.chars().peekable();
        let mut pieces = Vec::new();
        let mut sizes = sizes.into_iter().cycle();
        while chars.peek().is_some() {
            let size = sizes.next().unwrap_or(1);
            pieces.push(chars.by_ref().take(size).collect());
        }
        pieces
    })
}

fn joined(pieces: &[(Place, String)]) -> Texts {
    let mut texts = Texts::new();
    for (place, text) in pieces {
        texts.entry(*place).or_default().push_str(text);
    }
    texts
}

fn is_json(place: &Place) -> bool {
    matches!(place.1, "tool" | "arguments" | "input")
}

fn cases() -> impl Strategy<Value = (Api, Vec<(Place, String)>)> {
    prop::sample::select(APIS.to_vec()).prop_flat_map(|api| script(api).prop_map(move |s| (api, s)))
}

proptest! {
    #[test]
    fn the_text_is_the_filters((api, pieces) in cases(), size in 1..200usize) {
        let mut rewriter = rewriter(api, VerdictOutcome::Masked);
        let (out, stopped) = run(&mut rewriter, stream(api, &pieces).as_bytes(), size);
        prop_assert!(!stopped);
        let mut texts = joined(&pieces);
        for (place, text) in &mut texts {
            let mut filter = stop_list(VerdictOutcome::Masked, is_json(place));
            *text = block_on(filter.whole(text)).unwrap().text;
        }
        prop_assert_eq!(read(api, &out), expected(api, &texts), "{}", out);
        if api == Api::Responses {
            is_consistent(&out);
        }
    }

    #[test]
    fn without_anything_to_change_the_bytes_stay((api, pieces) in cases(), size in 1..200usize) {
        let whole = stream(api, &pieces);
        let (out, stopped) = run(&mut idle(api), whole.as_bytes(), size);
        prop_assert_eq!(&out, &whole);
        prop_assert!(!stopped);
        let mut none = Rewriter::new(api, Box::new(|_| None));
        prop_assert_eq!(run(&mut none, whole.as_bytes(), size).0, whole);
    }

    #[test]
    fn a_stream_that_breaks_off_loses_nothing((api, pieces) in cases(), at: prop::sample::Index) {
        let whole = stream(api, &pieces);
        let ends: Vec<usize> = whole.match_indices("\n\n").map(|(at, _)| at + 2).collect();
        let part = &whole[..*at.get(&ends)];
        let (out, _) = run(&mut rewriter(api, VerdictOutcome::Masked), part.as_bytes(), 50);
        // Masked or not: as many characters of each place as the frontend said, but for the masks.
        let plain = |text: &str| {
            let mut plain = Plain::new(true);
            let text = plain.push(text).into_owned() + &plain.rest();
            text.replace("secret", "[WORD]").replace("E-123456", "[ID]").len()
        };
        let sizes = |stream: &str| -> usize { read(api, stream).values().map(|text| plain(text)).sum() };
        prop_assert!(sizes(&out) + 12 >= sizes(part), "{} {}", out, part);
    }

    #[test]
    fn a_stop_ends_the_answer_in_front_of_the_word((api, pieces) in cases(), size in 1..200usize) {
        let mut rewriter = rewriter(api, VerdictOutcome::Blocked);
        let (out, stopped) = run(&mut rewriter, stream(api, &pieces).as_bytes(), size);
        let texts = joined(&pieces);
        let found = texts.iter().any(|(place, text)| {
            block_on(stop_list(VerdictOutcome::Blocked, is_json(place)).whole(text)).unwrap().stop
        });
        prop_assert_eq!(stopped, found);
        let said = read(api, &out);
        let mut may = texts.clone();
        for (place, text) in &mut may {
            let mut list = stop_list(VerdictOutcome::Blocked, is_json(place));
            *text = block_on(list.whole(text)).unwrap().text;
        }
        for (key, text) in expected(api, &may) {
            let said = said.get(&key).cloned().unwrap_or_default();
            prop_assert!(text.starts_with(&said), "{text:?} {said:?}");
        }
        if api == Api::Responses {
            is_consistent(&out);
        }
        let _ = events(&out);
    }

    #[test]
    fn anything_may_come(api in prop::sample::select(APIS.to_vec()), data in prop::collection::vec(odd(), 0..12), end: bool) {
        let mut rewriter = rewriter(api, VerdictOutcome::Masked);
        for data in data {
            let event = Bytes::from(format!("event: x\ndata: {data}\n\n"));
            match block_on(rewriter.event(event.clone())) {
                Ok(done) => prop_assert!(!done.events.is_empty()),
                Err(error) => prop_assert!(matches!(error, RewriteError::Unreadable(_))),
            }
            let _ = block_on(rewriter.body(Bytes::from(data)));
        }
        if end {
            block_on(rewriter.end()).unwrap();
        }
    }
}

/// Data with the right names in the wrong places.
fn odd() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<u32>().prop_map(Value::from),
        "(secret|E-123456|a|\"){0,3}".prop_map(Value::from),
        prop::sample::select(vec![
            "response.output_text.delta",
            "response.output_text.done",
            "response.completed",
            "response.output_item.done",
            "content_block_delta",
            "content_block_stop",
            "output_text",
        ])
        .prop_map(Value::from),
    ];
    let names = vec![
        "choices",
        "index",
        "delta",
        "message",
        "content",
        "text",
        "tool_calls",
        "function",
        "arguments",
        "finish_reason",
        "logprobs",
        "usage",
        "type",
        "output_index",
        "content_index",
        "response",
        "output",
        "item",
        "part",
        "summary",
        "sequence_number",
        "content_block",
        "partial_json",
        "thinking",
        "error",
        "input",
    ];
    let value = leaf.prop_recursive(5, 40, 5, move |inner| {
        let name = prop::sample::select(names.clone());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..5).prop_map(|map| {
                map.into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            }),
        ]
    });
    prop_oneof![
        8 => value.prop_map(|value: Value| value.to_string()),
        1 => Just("[DONE]".to_owned()),
        1 => "[{\\[\"a:,\\]}]{0,8}",
    ]
}
