//! `decisions[].plugins`.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};

use crate::config::Node;
use crate::import::report::Report;
use crate::import::write::{Item, Map, Yaml};

use super::fields::Fields;
use super::global::is_off;
use super::{env, text, texts};

/// Plugins without a counterpart, and why.
const WITHOUT: [(&str, &str); 13] = [
    ("response_cache", "there is no response cache yet"),
    ("semantic-cache", "there is no response cache yet"),
    ("semantic_cache", "there is no response cache yet"),
    ("tools", "tools are passed on as the client sent them"),
    (
        "tool_selection",
        "tools are passed on as the client sent them",
    ),
    ("hallucination", "answers are not checked for facts"),
    (
        "response_jailbreak",
        "answers are checked for personal data and words, not for attacks",
    ),
    ("memory", "there is no memory of conversations"),
    ("rag", "nothing is retrieved"),
    ("router_replay", "requests are not recorded"),
    ("context_compression", "prompts are passed on whole"),
    ("image_gen", "images are made by the model that is asked"),
    ("modality", "images are made by the model that is asked"),
];

/// The plugins of one decision.
#[derive(Default)]
pub(super) struct Plugins {
    /// As they are written.
    pub(super) items: Vec<Item>,
    /// The text of a fixed answer, if there is one.
    pub(super) answer: Option<String>,
}

impl Plugins {
    /// Reads the plugins at `nodes`.
    pub(super) fn read(nodes: &[Node<'_>], report: &Report) -> Self {
        let mut plugins = Self::default();
        let mut kinds = Vec::new();
        for node in nodes {
            let fields = Fields::of(*node, report);
            let kind = fields.text("type").unwrap_or_default();
            let configuration = fields.get("configuration");
            fields.finish();
            if kinds.contains(&kind) {
                report.note(*node, format!("a second plugin `{kind}` has no effect"));
                continue;
            }
            kinds.push(kind);
            plugins.one(kind, *node, configuration, report);
        }
        plugins
    }

    fn one(
        &mut self,
        kind: &str,
        node: Node<'_>,
        configuration: Option<Node<'_>>,
        report: &Report,
    ) {
        let Some(configuration) = configuration else {
            report.note(
                node,
                format!("`{kind}` without configuration has no effect"),
            );
            return;
        };
        let fields = Fields::of(configuration, report);
        let map = match kind {
            "system_prompt" => system_prompt(&fields, report),
            "header_mutation" => headers(&fields, report),
            "request_params" => request_params(&fields, report),
            "fast_response" => {
                self.answer = fields.text("message").map(str::to_owned);
                (self.answer.as_deref()).map(|answer| Map::block().with("text", text(answer)))
            }
            _ => {
                if !is_off(configuration) {
                    let known = WITHOUT.iter().find(|(other, _)| *other == kind);
                    let why = known.map_or("it is not known here", |(_, why)| why);
                    report.dropped(node, format!("plugin `{kind}`: {why}"));
                }
                return;
            }
        };
        fields.finish();
        let ours = match kind {
            "header_mutation" => "headers",
            "fast_response" => "fixed_answer",
            same => same,
        };
        self.items
            .extend(map.map(|map| Map::block().with(ours, map).into()));
    }
}

/// The peer's default mode is `insert`: its text, an empty line, the client's; ours is called `prepend`.
fn system_prompt(fields: &Fields<'_, '_>, report: &Report) -> Option<Map> {
    let prompt = fields.text("system_prompt");
    let enabled = fields.flag("enabled").unwrap_or(true);
    let mode = match fields.text("mode") {
        None | Some("insert") => "prepend",
        Some("replace") => "replace",
        Some(other) => {
            let at = fields.get("mode").unwrap_or(fields.node);
            report.note(at, format!("mode `{other}`: the peer takes it for replace"));
            "replace"
        }
    };
    if !enabled {
        report.note(
            fields.node,
            "a system prompt that is switched off was left out",
        );
    }
    let prompt = prompt.filter(|_| enabled)?;
    Some(Map::block().with("mode", mode).with("text", text(prompt)))
}

fn request_params(fields: &Fields<'_, '_>, report: &Report) -> Option<Map> {
    let positive = |key: &str| {
        let number = fields.whole(key)?;
        if number < 1 {
            let at = fields.get(key).unwrap_or(fields.node);
            report.dropped(at, "a limit is at least 1 here");
        }
        (number >= 1).then_some(number)
    };
    let blocked = fields.words("blocked_params");
    let strip = fields.flag("strip_unknown") == Some(true);
    let map = Map::flow()
        .maybe("blocked", (!blocked.is_empty()).then(|| texts(&blocked)))
        .maybe("max_tokens_limit", positive("max_tokens_limit"))
        .maybe("max_n", positive("max_n"))
        .maybe("strip_unknown", strip.then_some(true));
    (!map.is_empty()).then_some(map)
}

/// The peer sets `add` and `update` alike, and changes the request only.
fn headers(fields: &Fields<'_, '_>, report: &Report) -> Option<Map> {
    let mut set: BTreeMap<String, Yaml> = BTreeMap::new();
    for node in fields.list("add").into_iter().chain(fields.list("update")) {
        let pair = Fields::of(node, report);
        if let (Some(name), value) = (pair.text("name"), pair.text("value").unwrap_or_default())
            && usable(name, value, node, report)
        {
            set.insert(name.to_ascii_lowercase(), text(value));
        }
        pair.finish();
    }
    let remove: Vec<String> = (fields.words("delete").into_iter())
        .filter(|name| usable(name, "", fields.node, report))
        .map(str::to_ascii_lowercase)
        .collect();
    let mut changes = Map::flow();
    if !set.is_empty() {
        let mut values = Map::flow();
        set.into_iter()
            .for_each(|(name, value)| values.push(name, value));
        changes.push("set", values);
    }
    if !remove.is_empty() {
        changes.push("remove", remove);
    }
    (!changes.is_empty()).then(|| Map::block().with("request", changes))
}

/// Headers that frame a message, and our own, cannot be changed.
fn usable(name: &str, value: &str, node: Node<'_>, report: &Report) -> bool {
    const FIXED: [&str; 12] = [
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let lower = name.to_ascii_lowercase();
    let fixed = FIXED.contains(&lower.as_str()) || lower.starts_with("x-vsr-");
    let valid = HeaderName::from_bytes(name.as_bytes()).is_ok()
        && (env::has_reference(value) || HeaderValue::from_str(value).is_ok());
    if fixed || !valid {
        report.dropped(node, format!("the header `{lower}` cannot be changed"));
    }
    !fixed && valid
}
