#![allow(clippy::unwrap_used)]

use http::HeaderValue;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::api::Api;
use crate::exchange::RequestHead;
use crate::signal::testing::{evaluate, of};

fn rules(rules: Value) -> (Metadata, Problems) {
    let rules: Vec<MetadataConfig> = serde_json::from_value(rules).unwrap();
    let mut problems = Problems::new();
    let families = Default::default();
    let context = BuildContext {
        families: &families,
        models: &[],
        foreign_pii: false,
    };
    (build(&rules, &context, &mut problems), problems)
}

#[rstest]
#[case(json!({"header": {"name": "X-Team", "equals": "blue"}}), true)]
#[case(json!({"header": {"name": "x-team", "equals": "Blue"}}), false)]
#[case(json!({"header": {"name": "x-team", "equals": "red"}}), true)]
#[case(json!({"header": {"name": "x-team", "prefix": "bl", "regex": "d$"}}), false)]
#[case(json!({"header": {"name": "x-team", "prefix": "bl", "regex": "e$"}}), true)]
#[case(json!({"header": {"name": "x-team", "regex": "^lue"}}), false)]
#[case(json!({"header": {"name": "x-team"}}), true)]
#[case(json!({"header": {"name": "x-team", "present": false}}), false)]
#[case(json!({"header": {"name": "x-other"}}), false)]
#[case(json!({"header": {"name": "x-other", "present": false}}), true)]
#[case(json!({"path": "/v1/chat/completions"}), true)]
#[case(json!({"path": "/v1/chat"}), false)]
#[case(json!({"path": "/v1/chat*"}), true)]
#[case(json!({"method": "post"}), true)]
#[case(json!({"method": "GET"}), false)]
#[case(json!({"model": "auto"}), true)]
#[case(json!({"model": "aut"}), false)]
#[case(json!({"client": ["192.168.0.0/16", "10.0.0.0/8"]}), true)]
#[case(json!({"client": ["10.1.2.3"]}), true)]
#[case(json!({"client": ["10.1.2.4"]}), false)]
#[case(json!({"client": ["::/0"]}), false)]
#[case(json!({"model": "auto", "client": ["10.1.2.4"]}), false)]
fn conditions(#[case] mut rule: Value, #[case] matched: bool) {
    rule["name"] = json!("r");
    let (signal, problems) = rules(json!([rule]));
    assert!(problems.is_empty(), "{problems}");
    let mut head = RequestHead {
        // An IPv4 client of a dual-stack listener.
        client: Some("::ffff:10.1.2.3".parse().unwrap()),
        ..RequestHead::default()
    };
    for value in ["red", "blue"] {
        head.headers
            .append("x-team", HeaderValue::from_static(value));
    }
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": "a"}]});
    let request = of(Api::ChatCompletions, head, body);
    assert_eq!(evaluate(&signal, &request)[0].matched, matched);
}

#[test]
fn an_unknown_client_is_in_no_network() {
    let (signal, _) = rules(json!([{"name": "r", "client": ["0.0.0.0/0", "::/0"]}]));
    assert!(!evaluate(&signal, &crate::signal::testing::user("a"))[0].matched);
}

#[test]
fn mistakes() {
    let (_, problems) = rules(json!([
        {"name": "a"},
        {"name": "b", "client": ["10.0.0.0/33", "host"], "method": "a b"},
        {"name": "c", "header": {"name": "x y", "equals": "1", "present": false, "regex": "["}},
        {"name": "d", "client": []},
    ]));
    insta::assert_snapshot!(problems, @r"
    error: [0]: the rule says nothing (give at least one of `header`, `path`, `method`, `model`, `client`)
    error: [1].method: `a b` is no HTTP method
    error: [1].client[0]: `10.0.0.0/33` is no IP address or network (write it like `10.0.0.0/8` or `2001:db8::/32`)
    error: [1].client[1]: `host` is no IP address or network (write it like `10.0.0.0/8` or `2001:db8::/32`)
    error: [2].header.name: `x y` is no header name
    error: [2].header.present: a header that is absent has no value to compare
    error: [2].header.regex: bad regular expression: unclosed character class
    error: [3].client: an empty list: nothing can match
    ");
}
