//! The `headers` plugin lets no header through that frames a message, and no value that could start another header.
//!
//! Input: lines `OPname:value`; OP is one of `s` (set), `a` (append), `r` (remove), in capitals for the response.
#![no_main]

use commutator_plugins::api::Api;
use commutator_plugins::exchange::HeaderChange;
use commutator_plugins::model::ReasoningFamily;
use commutator_plugins::plugin::Plugin;
use commutator_plugins::plugin::headers::{Headers, HeadersConfig};
use commutator_plugins::registry::{BuildContext, BuiltIn};
use commutator_plugins::testing;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = Api::of_path(text);
    let mut config = HeadersConfig::default();
    for line in text.split('\n') {
        let mut chars = line.chars();
        let Some(op) = chars.next() else { continue };
        let (name, value) = chars
            .as_str()
            .split_once(':')
            .unwrap_or((chars.as_str(), ""));
        let block = if op.is_uppercase() {
            &mut config.response
        } else {
            &mut config.request
        };
        match op.to_ascii_lowercase() {
            's' => drop(block.set.insert(name.to_owned(), value.to_owned())),
            'a' => drop(block.append.insert(name.to_owned(), value.to_owned())),
            _ => block.remove.push(name.to_owned()),
        }
    }
    let count = [&config.request, &config.response]
        .iter()
        .map(|block| block.set.len() + block.append.len() + block.remove.len())
        .sum::<usize>();
    let families = ReasoningFamily::builtin();
    let context = BuildContext {
        families: &families,
        models: &[],
        foreign_pii: false,
    };
    let plugin = match Headers::build(&config, &context, "plugins[0].headers") {
        Ok(plugin) => plugin,
        Err(problems) => {
            assert!(problems.has_errors());
            assert!(
                problems
                    .iter()
                    .all(|p| p.path.starts_with("plugins[0].headers.re"))
            );
            return;
        }
    };
    let mut exchange = testing::exchange(Api::Other, "{}").expect("an empty body");
    block_on(plugin.on_request(&mut exchange)).expect("it only adds changes");
    let changes: Vec<_> = exchange
        .upstream_headers
        .iter()
        .chain(&exchange.response_headers)
        .collect();
    assert_eq!(changes.len(), count);
    for change in changes {
        let (name, value) = match change {
            HeaderChange::Set(name, value) | HeaderChange::Append(name, value) => {
                (name, Some(value))
            }
            HeaderChange::Remove(name) => (name, None),
        };
        let name = name.as_str();
        assert!(!name.starts_with("x-vsr-") && !name.bytes().any(|b| b.is_ascii_uppercase()));
        assert!(!["content-length", "transfer-encoding", "host", "connection"].contains(&name));
        let plain = |b: &u8| *b == b'\t' || (b' '..=b'~').contains(b);
        assert!(value.is_none_or(|value| value.as_bytes().iter().all(plain)));
    }
});
