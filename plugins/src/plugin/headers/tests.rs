#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;
use crate::api::Api;
use crate::plugin::compliance::{build, check, problems, run};

#[test]
fn complies() {
    check(&json!({"headers": {
        "request": {"set": {"x-tenant-id": "acme"}, "remove": ["cookie"]},
        "response": {"append": {"via": "commutator"}},
    }}));
}

#[test]
fn removes_then_sets_then_appends() {
    let entry = json!({"headers": {
        "request": {"append": {"B": "2"}, "set": {"a": "1"}, "remove": ["C"]},
        "response": {"set": {"Server": "x"}},
    }});
    let (exchange, _) = run(&entry, Api::Other, "{}");
    let name = |name| HeaderName::from_static(name);
    let value = |value| HeaderValue::from_static(value);
    assert_eq!(
        exchange.upstream_headers,
        [
            HeaderChange::Remove(name("c")),
            HeaderChange::Set(name("a"), value("1")),
            HeaderChange::Append(name("b"), value("2")),
        ]
    );
    assert_eq!(
        exchange.response_headers,
        [HeaderChange::Set(name("server"), value("x"))]
    );
}

#[test]
fn all_mistakes_are_told_with_their_place_and_without_values() {
    let got = problems(&json!({"headers": {
        "request": {
            "set": {"Content-Length": "1", "ok": "two\r\nlines", "x y": "1"},
            "append": {"Transfer-Encoding": "chunked", "latin": "caf\u{e9}"},
            "remove": ["fine", "X-VSR-Cache-Hit", "host"],
        },
        "response": {"set": {"connection": "close", "": "1"}},
    }}));
    let at = "error: plugins[0].headers";
    for expected in [
        format!("{at}.request.set.Content-Length: `content-length` cannot be changed"),
        format!("{at}.request.set.ok: the value has characters"),
        format!("{at}.request.set[\"x y\"]: \"x y\" is no header name"),
        format!("{at}.request.append.Transfer-Encoding: `transfer-encoding` cannot be changed"),
        format!("{at}.request.append.latin: the value has characters"),
        format!("{at}.request.remove[1]: `x-vsr-cache-hit` cannot be changed"),
        format!("{at}.request.remove[2]: `host` cannot be changed"),
        format!("{at}.response.set.connection: `connection` cannot be changed"),
        format!("{at}.response.set[\"\"]: \"\" is no header name"),
    ] {
        assert!(got.contains(&expected), "missing {expected} in\n{got}");
    }
    assert_eq!(got.lines().count(), 9, "{got}");
    assert!(
        !got.contains("two") && !got.contains("caf"),
        "a value is shown: {got}"
    );
}

#[test]
fn values_are_hidden_from_debug_output() {
    let plugin =
        build(&json!({"headers": {"request": {"set": {"authorization": "Bearer s3cret"}}}}));
    assert!(!format!("{plugin:?}").contains("s3cret"));
}
