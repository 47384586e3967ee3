//! The length of a request, and the form of its conversation.

use crate::config::Node;
use crate::import::report::Report;
use crate::import::vllm_sr::fields::Fields;
use crate::import::vllm_sr::rules::Rule;
use crate::import::vllm_sr::text;
use crate::import::write::{Map, Yaml};

use super::{Signals, item, name};

pub(super) fn context(signals: &mut Signals, nodes: &[Node<'_>], report: &Report) {
    for node in nodes {
        let fields = Fields::of(*node, report);
        if let Some(name) = name(&fields, report) {
            let min = tokens(&fields, "min_tokens", report).filter(|min| *min > 0);
            let max = tokens(&fields, "max_tokens", report).filter(|max| *max > 0);
            if max.is_none() {
                let why = format!(
                    "`{name}` has no upper limit here; the peer reads a missing max_tokens as 0 and never matches"
                );
                report.changed(*node, why);
            }
            let map = Map::flow()
                .with("name", text(name))
                .maybe("min_tokens", min)
                .maybe("max_tokens", max);
            let item = item(map, fields.text("description"));
            signals.add("context", "context", name, item);
        }
        fields.finish();
    }
}

/// A number of tokens: `4096`, `32K` (thousand) or `1.5M` (million).
fn tokens(fields: &Fields<'_, '_>, key: &str, report: &Report) -> Option<i64> {
    let node = fields.get(key)?;
    let tokens = count(fields.text(key)?);
    if tokens.is_none() {
        report.dropped(node, "a number of tokens is expected here, for example 32K");
    }
    tokens
}

fn count(written: &str) -> Option<i64> {
    let written = written.trim().to_ascii_uppercase();
    let (digits, unit) = match written.as_bytes().last()? {
        b'K' => (&written[..written.len() - 1], 1e3),
        b'M' => (&written[..written.len() - 1], 1e6),
        _ => (written.as_str(), 1.0),
    };
    let number = digits.trim().parse::<f64>().ok()? * unit;
    // The peer cuts off as well.
    #[allow(clippy::cast_possible_truncation)]
    (0.0..1e15).contains(&number).then(|| number.trunc() as i64)
}

/// The whole numbers for which a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    min: i64,
    max: Option<i64>,
}

const UNCOUNTED: &str = "only turns of the user are counted; tools, their results, images and a system prompt are there or not";

pub(super) fn conversation(signals: &mut Signals, nodes: &[Node<'_>], report: &Report) {
    for node in nodes {
        let fields = Fields::of(*node, report);
        let Some(name) = name(&fields, report) else {
            continue;
        };
        match read(&fields) {
            Becomes::Fields(given, remark) => {
                if let Some(remark) = remark {
                    report.changed(*node, format!("`{name}`: {remark}"));
                }
                let mut map = Map::flow().with("name", text(name));
                for (key, value) in given {
                    map.push(key, value);
                }
                let item = item(map, fields.text("description"));
                signals.add("conversation", "conversation", name, item);
            }
            Becomes::Constant(rule) => {
                let word = if rule == Rule::Always {
                    "always"
                } else {
                    "never"
                };
                report.note(*node, format!("`{name}` {word} holds and was left out"));
                signals.set("conversation", name, Ok(rule));
            }
            Becomes::Nothing => signals.without("conversation", *node, UNCOUNTED, report),
        }
        fields.skip(&["description"]);
        fields.finish();
    }
}

/// What a rule of the peer is here.
#[derive(Debug, PartialEq)]
enum Becomes {
    /// These conditions, and how they differ.
    Fields(Vec<(&'static str, Yaml)>, Option<&'static str>),
    /// The same for every request.
    Constant(Rule),
    /// Not known here.
    Nothing,
}

fn read(fields: &Fields<'_, '_>) -> Becomes {
    let Some(feature) = fields.fields("feature") else {
        return Becomes::Nothing;
    };
    let range = match feature.text("type") {
        Some("exists") => Range { min: 1, max: None },
        _ => range(fields.fields("predicate").as_ref()),
    };
    let Some(source) = feature.fields("source") else {
        return Becomes::Nothing;
    };
    let what = source.text("type").unwrap_or_default();
    let role = source.text("role").unwrap_or_default();
    source.finish();
    feature.finish();
    condition(what, role, range)
}

/// `gt`, `gte`, `lt` and `lte` over whole numbers; without any, every number holds.
fn range(predicate: Option<&Fields<'_, '_>>) -> Range {
    let mut range = Range { min: 0, max: None };
    let Some(predicate) = predicate else {
        return range;
    };
    #[allow(clippy::cast_possible_truncation)]
    let whole = |number: f64| number.clamp(-1e9, 1e9) as i64;
    if let Some(gt) = predicate.number("gt") {
        range.min = range.min.max(whole(gt.floor()) + 1);
    }
    if let Some(gte) = predicate.number("gte") {
        range.min = range.min.max(whole(gte.ceil()));
    }
    let upper = [
        predicate.number("lt").map(|lt| whole(lt.ceil()) - 1),
        predicate.number("lte").map(|lte| whole(lte.floor())),
    ];
    range.max = upper.into_iter().flatten().min();
    range
}

/// Our rule for "the number of `what` is in `range`".
fn condition(what: &str, role: &str, range: Range) -> Becomes {
    if range.max.is_some_and(|max| max < range.min) {
        return Becomes::Constant(Rule::Never);
    }
    if range.min == 0 && range.max.is_none() {
        return Becomes::Constant(Rule::Always);
    }
    let present = match (range.min, range.max) {
        (1, None) => Some(true),
        (0, Some(0)) => Some(false),
        _ => None,
    };
    let flag = |key, remark| match present {
        Some(present) => Becomes::Fields(vec![(key, present.into())], remark),
        None => Becomes::Nothing,
    };
    match (what, role) {
        ("message", "user") => {
            let min = (range.min > 0).then(|| ("min_turns", range.min.into()));
            let max = range.max.map(|max| ("max_turns", max.into()));
            Becomes::Fields(min.into_iter().chain(max).collect(), None)
        }
        ("message", "tool") | ("assistant_tool_cycle", _) => flag("tool_results", None),
        ("message", "system") => flag(
            "system",
            Some("a message of the role developer counts as a system prompt too"),
        ),
        ("message", "developer") => flag(
            "system",
            Some("a system prompt of the role system counts too"),
        ),
        ("tool_definition", _) => flag("tools", None),
        ("image_content", _) => flag("images", None),
        ("active_tool_loop", _) if present == Some(true) => Becomes::Fields(
            vec![("last_role", "tool".into())],
            Some(
                "holds where a tool's result comes last; the peer also counts calls without a result",
            ),
        ),
        _ => Becomes::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(what: &str, role: &str, min: i64, max: Option<i64>) -> Vec<&'static str> {
        match condition(what, role, Range { min, max }) {
            Becomes::Fields(fields, _) => fields.into_iter().map(|(key, _)| key).collect(),
            Becomes::Constant(Rule::Always) => vec!["always"],
            Becomes::Constant(_) => vec!["never"],
            Becomes::Nothing => vec!["nothing"],
        }
    }

    #[test]
    fn counts_become_presence_where_they_can() {
        assert_eq!(keys("tool_definition", "", 1, None), ["tools"]);
        assert_eq!(keys("tool_definition", "", 3, None), ["nothing"]);
        assert_eq!(keys("assistant_tool_call", "", 1, None), ["nothing"]);
        assert_eq!(keys("image_content", "", 0, Some(0)), ["images"]);
        let turns = keys("message", "user", 2, Some(5));
        assert_eq!(turns, ["min_turns", "max_turns"]);
        assert_eq!(keys("message", "user", 0, None), ["always"]);
        assert_eq!(keys("message", "user", 4, Some(2)), ["never"]);
    }

    #[test]
    fn token_counts_have_units() {
        let cases = ["32K", "1.5m", " 4096 ", "0", "many", "", "-1"];
        let counts = cases.map(count);
        let expected = [
            Some(32_000),
            Some(1_500_000),
            Some(4096),
            Some(0),
            None,
            None,
            None,
        ];
        assert_eq!(counts, expected);
    }
}
