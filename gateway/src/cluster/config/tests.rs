#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::json;

use super::*;

fn parse(value: serde_json::Value) -> Result<ClusterConfig, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn parse_endpoints(value: serde_json::Value) -> Result<ClusterConfig, String> {
    parse(json!({"name": "c", "endpoints": value}))
}

/// The paths that a change of a good configuration is criticised for.
fn criticised(change: serde_json::Value) -> Vec<String> {
    let mut value = json!({"name": "c", "endpoints": {"static": ["10.0.0.1:8000"]}});
    for (key, new) in change.as_object().unwrap() {
        value[key] = new.clone();
    }
    let problems = parse(value).unwrap().check();
    problems.iter().map(|p| p.path.clone()).collect()
}

#[test]
fn the_shortest_cluster_has_the_documented_defaults() {
    let config = parse_endpoints(json!({"static": ["10.0.0.1:8000"]})).unwrap();
    assert!(config.check().is_empty());
    assert_eq!(config.balance, Balance::LeastRequest);
    assert_eq!(config.protocol, Protocol::H1);
    assert_eq!(config.readiness.interval.0, Duration::from_secs(1));
    assert_eq!(config.ejection.consecutive_errors, 5);
    assert_eq!(config.slow_start.window.0, Duration::from_secs(10));
    assert_eq!(config.limits.max_in_flight, None);
    assert_eq!(config.timeouts.first_byte.0, Duration::from_secs(120));
    assert_eq!(config.timeouts.total.0, Duration::ZERO);
    assert_eq!(config.retries.max, 2);
    assert_eq!(config.retries.budget.percent, 20);
}

#[test]
fn a_configuration_survives_being_written_and_read() {
    let config = parse(json!({
        "name": "c",
        "endpoints": {"static": ["a.example:80", {"address": "[::1]:8000", "weight": 3}]},
        "balance": {"consistent_hash": {"key": {"prompt_prefix": {"bytes": 512}}}},
        "readiness": {"mode": "none", "interval": "250ms"},
        "limits": {"max_in_flight": 64, "queue": {"max": 8, "deadline": "2s"}},
        "tls": {"server_name": "a.example", "ca": "ca.pem"},
        "protocol": "h2c",
        "host": "a.example",
    }))
    .unwrap();
    let written = serde_json::to_value(&config).unwrap();
    assert_eq!(parse(written).unwrap(), config);
    let Balance::ConsistentHash(hash) = &config.balance else {
        panic!("{:?}", config.balance);
    };
    assert_eq!(hash.bounded_load, 1.25);
    assert_eq!(hash.key, HashKey::PromptPrefix(PromptPrefix::Bytes(512)));
}

#[test]
fn every_kind_of_key_is_read() {
    for (text, key) in [
        (json!("session"), HashKey::Session),
        (json!("api_key"), HashKey::ApiKey),
        (json!("client_ip"), HashKey::ClientIp),
        (
            json!({"header": "x-user"}),
            HashKey::Header("x-user".into()),
        ),
        (
            json!({"prompt_prefix": {"tokens": 64}}),
            HashKey::PromptPrefix(PromptPrefix::Tokens(64)),
        ),
    ] {
        assert_eq!(serde_json::from_value::<HashKey>(text).unwrap(), key);
    }
}

#[test]
fn dns_srv_and_file_are_read() {
    let dns = parse_endpoints(json!({"dns": {"name": "frontend.svc", "port": 8000}})).unwrap();
    let EndpointsConfig::Dns(found) = &dns.endpoints else {
        panic!("{:?}", dns.endpoints);
    };
    assert_eq!(found.refresh.0, Duration::from_secs(5));
    assert!(parse_endpoints(json!({"srv": {"name": "_http._tcp.a"}})).is_ok());
    assert!(parse_endpoints(json!({"file": {"path": "list"}})).is_ok());
}

#[test]
fn unknown_fields_and_two_sources_are_errors() {
    for (value, expected) in [
        (json!({"static": [], "dns": {"name": "a", "port": 1}}), ""),
        (json!({"dns": {"name": "a", "port": 1, "ttl": "5s"}}), "ttl"),
        (
            json!({"static": [{"address": "1.2.3.4:5", "wieght": 2}]}),
            "wieght",
        ),
        (json!({"consul": {}}), "consul"),
        (json!({"static": [80]}), "host:port"),
    ] {
        let error = parse_endpoints(value.clone()).unwrap_err();
        assert!(error.contains(expected), "{value}: {error}");
    }
    let unknown = parse(json!({"name": "c", "endpoints": {"static": []}, "balancing": "random"}));
    assert!(unknown.unwrap_err().contains("balancing"));
}

#[test]
fn bad_addresses_are_quoted() {
    for text in [
        "10.0.0.1",
        "10.0.0.1:",
        "10.0.0.1:0",
        "10.0.0.1:70000",
        "::1:80",
        "300.1.1.1:80",
        "a b:80",
        ":80",
        "http://a:80",
        "[1.2.3.4]:80",
    ] {
        let error = parse_endpoints(json!({"static": [text]})).unwrap_err();
        assert!(error.contains(text), "{text}: {error}");
    }
    let heavy = parse_endpoints(json!({"static": [{"address": "1.2.3.4:5", "weight": 101}]}));
    assert!(heavy.unwrap_err().contains("1 to 100"));
}

#[test]
fn what_the_types_allow_and_the_rules_do_not_is_reported_by_path() {
    let hash = |value| json!({"balance": {"consistent_hash": value}});
    for (change, expected) in [
        (json!({"name": ""}), "name"),
        (json!({"endpoints": {"static": []}}), "endpoints.static"),
        (
            json!({"endpoints": {"static": ["a:1", "a:1"]}}),
            "endpoints.static[1]",
        ),
        (
            json!({"endpoints": {"dns": {"name": "", "port": 1}}}),
            "endpoints.dns.name",
        ),
        (
            json!({"endpoints": {"dns": {"name": "a", "port": 0}}}),
            "endpoints.dns.port",
        ),
        (
            json!({"endpoints": {"srv": {"name": "a", "refresh": "1ms"}}}),
            "endpoints.srv.refresh",
        ),
        (
            json!({"endpoints": {"file": {"path": ""}}}),
            "endpoints.file.path",
        ),
        (
            hash(json!({"key": "session", "bounded_load": 0.5})),
            "balance.consistent_hash.bounded_load",
        ),
        (
            hash(json!({"key": {"header": "a b"}})),
            "balance.consistent_hash.key.header",
        ),
        (
            hash(json!({"key": {"prompt_prefix": {"bytes": 0}}})),
            "balance.consistent_hash.key.prompt_prefix",
        ),
        (
            json!({"readiness": {"interval": "0s"}}),
            "readiness.interval",
        ),
        (
            json!({"readiness": {"failure_threshold": 0}}),
            "readiness.failure_threshold",
        ),
        (
            json!({"ejection": {"max_percent": 101}}),
            "ejection.max_percent",
        ),
        (json!({"ejection": {"max_time": "1s"}}), "ejection.max_time"),
        (
            json!({"limits": {"max_in_flight": 0}}),
            "limits.max_in_flight",
        ),
        (json!({"host": "a b"}), "host"),
        (json!({"tls": {}}), "tls"),
    ] {
        assert_eq!(criticised(change.clone()), [expected], "{change}");
    }
    assert!(criticised(json!({"tls": {"verify": false}})).is_empty());
    assert!(criticised(json!({"tls": {}, "host": "a.example:443"})).is_empty());
}

#[test]
fn the_schema_documents_every_field() {
    let schema = serde_json::to_value(schemars::schema_for!(ClusterConfig)).unwrap();
    let mut objects = vec![&schema];
    objects.extend(schema["$defs"].as_object().unwrap().values());
    for object in objects {
        for (name, field) in object["properties"].as_object().into_iter().flatten() {
            assert!(
                field["description"].is_string(),
                "{name} has no description"
            );
        }
    }
}
