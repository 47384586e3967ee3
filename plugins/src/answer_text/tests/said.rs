//! Streams as frontends write them, and what a client reads in them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::events;
use crate::api::Api;

/// Choice (item, block) and what of it: `content`, `reasoning`, `tool`, ...
pub(super) type Place = (u64, &'static str);

pub(super) type Texts = BTreeMap<Place, String>;

/// The places where texts of an API can stand in the tests.
pub(super) fn places(api: Api) -> Vec<Place> {
    match api {
        Api::ChatCompletions => vec![
            (0, "content"),
            (0, "reasoning_content"),
            (0, "tool"),
            (1, "content"),
            (1, "refusal"),
            (1, "tool"),
        ],
        Api::Completions => vec![(0, "text"), (1, "text"), (2, "text")],
        Api::Responses => vec![(0, "reasoning"), (1, "text"), (2, "arguments"), (3, "text")],
        _ => vec![(0, "thinking"), (1, "text"), (2, "input"), (3, "text")],
    }
}

fn put(out: &mut String, name: &str, data: &Value) {
    if !name.is_empty() {
        let _ = writeln!(out, "event: {name}");
    }
    let _ = write!(out, "data: {data}\n\n");
}

/// A stream that says these pieces in this order.
pub(super) fn stream(api: Api, pieces: &[(Place, String)]) -> String {
    match api {
        Api::ChatCompletions | Api::Completions => openai(api, pieces),
        Api::Responses => responses(pieces),
        _ => messages(pieces),
    }
}

fn openai(api: Api, pieces: &[(Place, String)]) -> String {
    let chat = api == Api::ChatCompletions;
    let chunk = |choices: Value| json!({"id": "c-1", "created": 1.50, "choices": choices, "model": "m", "usage": null});
    let mut out = ": hello\n\n".to_owned();
    let mut numbers: Vec<u64> = Vec::new();
    for ((choice, what), text) in pieces {
        if !numbers.contains(choice) {
            numbers.push(*choice);
        }
        let mut one = json!({"index": choice, "finish_reason": null});
        match *what {
            "text" => one["text"] = json!(text),
            "tool" => {
                one["delta"] =
                    json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]});
            }
            other => one["delta"] = json!({other: text}),
        }
        put(&mut out, "", &chunk(json!([one])));
    }
    for number in numbers {
        let mut one = json!({"index": number, "finish_reason": "stop"});
        match chat {
            true => one["delta"] = json!({}),
            false => one["text"] = json!(""),
        }
        put(&mut out, "", &chunk(json!([one])));
    }
    put(
        &mut out,
        "",
        &json!({"id": "c-1", "choices": [], "usage": {"prompt_tokens": 3}}),
    );
    out + "data: [DONE]\n\n"
}

/// Pieces by item, as these APIs say one item after the other.
fn by_item(pieces: &[(Place, String)]) -> BTreeMap<Place, Vec<&str>> {
    let mut items: BTreeMap<Place, Vec<&str>> = BTreeMap::new();
    for (place, text) in pieces {
        items.entry(*place).or_default().push(text);
    }
    items
}

fn responses(pieces: &[(Place, String)]) -> String {
    let mut out = String::new();
    let mut sequence = 0;
    let mut say = |out: &mut String, mut event: Value| {
        event["sequence_number"] = json!(sequence);
        sequence += 1;
        let name = event["type"].as_str().unwrap().to_owned();
        put(out, &name, &event);
    };
    let begun = json!({"id": "r-1", "object": "response", "status": "in_progress", "output": [], "model": "m"});
    say(
        &mut out,
        json!({"type": "response.created", "response": begun}),
    );
    let mut output = Vec::new();
    let items = by_item(pieces);
    for (number, ((_, what), texts)) in items.iter().enumerate() {
        let text = texts.concat();
        let id = format!("item-{number}");
        let event = |kind: &str| json!({"type": format!("response.{kind}"), "item_id": id, "output_index": number});
        let (name, member, item) = match *what {
            "arguments" => {
                let item = json!({"type": "function_call", "id": id, "name": "f", "arguments": text, "status": "completed"});
                ("function_call_arguments", "arguments", item)
            }
            "reasoning" => {
                let part = json!({"type": "summary_text", "text": text});
                let item = json!({"type": "reasoning", "id": id, "summary": [part]});
                ("reasoning_summary_text", "text", item)
            }
            _ => {
                let part = json!({"type": "output_text", "text": text, "annotations": []});
                let item = json!({"type": "message", "id": id, "role": "assistant", "content": [part], "status": "completed"});
                ("output_text", "text", item)
            }
        };
        let mut empty = item.clone();
        for (name, nothing) in [
            ("arguments", json!("")),
            ("summary", json!([])),
            ("content", json!([])),
        ] {
            if empty.get(name).is_some() {
                empty[name] = nothing;
            }
        }
        let mut added = event("output_item.added");
        added["item"] = empty;
        say(&mut out, added);
        for text in texts {
            let mut delta = event(&format!("{name}.delta"));
            delta["delta"] = json!(text);
            if name == "output_text" {
                delta["content_index"] = json!(0);
                delta["logprobs"] = json!([]);
            }
            say(&mut out, delta);
        }
        let mut done = event(&format!("{name}.done"));
        done[member] = json!(text);
        say(&mut out, done);
        if name == "output_text" {
            let mut done = event("content_part.done");
            done["part"] = item["content"][0].clone();
            say(&mut out, done);
        }
        let mut done = event("output_item.done");
        done["item"] = item.clone();
        say(&mut out, done);
        output.push(item);
    }
    let whole = json!({"id": "r-1", "object": "response", "status": "completed", "output": output, "usage": {"input_tokens": 3}});
    say(
        &mut out,
        json!({"type": "response.completed", "response": whole}),
    );
    out
}

fn messages(pieces: &[(Place, String)]) -> String {
    let mut out = String::new();
    let say = |out: &mut String, event: Value| {
        let name = event["type"].as_str().unwrap().to_owned();
        put(out, &name, &event);
    };
    say(
        &mut out,
        json!({"type": "message_start", "message": {"id": "m-1", "content": [], "usage": {"output_tokens": 3}}}),
    );
    for (number, ((_, what), texts)) in by_item(pieces).iter().enumerate() {
        let (block, kind, member) = match *what {
            "thinking" => (
                json!({"type": "thinking", "thinking": ""}),
                "thinking_delta",
                "thinking",
            ),
            "input" => (
                json!({"type": "tool_use", "name": "f", "input": {}}),
                "input_json_delta",
                "partial_json",
            ),
            _ => (json!({"type": "text", "text": ""}), "text_delta", "text"),
        };
        say(
            &mut out,
            json!({"type": "content_block_start", "index": number, "content_block": block}),
        );
        for text in texts {
            let delta = json!({"type": kind, member: text});
            say(
                &mut out,
                json!({"type": "content_block_delta", "index": number, "delta": delta}),
            );
        }
        say(
            &mut out,
            json!({"type": "content_block_stop", "index": number}),
        );
    }
    say(
        &mut out,
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}),
    );
    say(&mut out, json!({"type": "message_stop"}));
    out
}

/// What a client reads: the deltas of each place, joined, in the order of [`places`].
pub(super) fn read(api: Api, stream: &str) -> BTreeMap<(u64, String), String> {
    let mut said: BTreeMap<(u64, String), String> = BTreeMap::new();
    let mut add = |number: u64, what: &str, text: &Value| {
        if let Some(text) = text.as_str() {
            said.entry((number, what.to_owned()))
                .or_default()
                .push_str(text);
        }
    };
    for (_, event) in events(stream) {
        match api {
            Api::ChatCompletions | Api::Completions => {
                for choice in event["choices"].as_array().into_iter().flatten() {
                    let number = choice["index"].as_u64().unwrap();
                    add(number, "text", &choice["text"]);
                    for (name, value) in choice["delta"].as_object().into_iter().flatten() {
                        add(number, name, value);
                    }
                    for call in choice["delta"]["tool_calls"]
                        .as_array()
                        .into_iter()
                        .flatten()
                    {
                        add(number, "tool", &call["function"]["arguments"]);
                    }
                }
            }
            Api::Responses => {
                if let Some(number) = event["output_index"].as_u64() {
                    add(number, "item", &event["delta"]);
                }
            }
            _ => {
                if let Some(number) = event["index"].as_u64() {
                    for name in ["text", "thinking", "partial_json"] {
                        add(number, "item", &event["delta"][name]);
                    }
                }
            }
        }
    }
    said
}

/// What a client should read where each place says this.
pub(super) fn expected(api: Api, texts: &Texts) -> BTreeMap<(u64, String), String> {
    let numbered = matches!(api, Api::Responses | Api::Messages);
    let mut out = BTreeMap::new();
    for (number, ((choice, what), text)) in (0..).zip(texts) {
        let key = match numbered {
            true => (number, "item".to_owned()),
            false => (*choice, (*what).to_owned()),
        };
        out.insert(key, text.clone());
    }
    out
}

/// Where the Responses API repeats a text, it is the text of the deltas; and its events are numbered without gaps.
pub(super) fn is_consistent(stream: &str) {
    let said = read(Api::Responses, stream);
    let text = |number: u64| {
        said.get(&(number, "item".to_owned()))
            .cloned()
            .unwrap_or_default()
    };
    let of_item = |number: u64, item: &Value| {
        let parts = item["content"].as_array().or(item["summary"].as_array());
        let first = parts
            .and_then(|parts| parts.first())
            .map(|part| &part["text"]);
        let read = first
            .unwrap_or(&item["arguments"])
            .as_str()
            .unwrap_or_default();
        assert_eq!(read, text(number), "{item}");
    };
    for (index, (name, event)) in events(stream).into_iter().enumerate() {
        assert_eq!(event["sequence_number"], index, "{name}");
        let number = event["output_index"].as_u64().unwrap_or_default();
        match name.as_str() {
            "response.output_text.done" => assert_eq!(event["text"], text(number)),
            "response.function_call_arguments.done" => assert_eq!(event["arguments"], text(number)),
            "response.content_part.done" => assert_eq!(event["part"]["text"], text(number)),
            "response.output_item.done" => of_item(number, &event["item"]),
            "response.completed" | "response.incomplete" => {
                let output = event["response"]["output"].as_array().unwrap();
                for (number, item) in (0..).zip(output) {
                    of_item(number, item);
                }
            }
            _ => {}
        }
    }
}
