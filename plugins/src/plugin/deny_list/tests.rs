#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::signal::testing::user;
use crate::testing::rendered;

fn list(config: Value) -> Result<DenyList, Problems> {
    let config: DenyListConfig = serde_json::from_value(config).unwrap();
    let context = BuildContext {
        families: &std::collections::BTreeMap::new(),
        models: &[],
        foreign_pii: false,
    };
    DenyList::build(&config, &context, "plugins[0].deny_list")
}

async fn judge(config: Value, text: &str) -> (Exchange, Flow) {
    let mut exchange = user(text);
    let flow = list(config)
        .unwrap()
        .on_request(&mut exchange)
        .await
        .unwrap();
    (exchange, flow)
}

#[tokio::test]
async fn whole_words_in_any_case_and_disguise() {
    let config = json!({"name": "projects", "words": ["bluebird", "c++ secret"]});
    for text in [
        "Is Bluebird late?",
        "BLUEBIRD",
        "the C++ Secret.",
        "Is bluеbird late?",
    ] {
        let (exchange, flow) = judge(config.clone(), text).await;
        assert!(matches!(flow, Flow::Reply(_)), "{text}");
        assert_eq!(exchange.verdicts[0].labels, ["projects"]);
    }
    for text in ["bluebirds", "blue bird", "c++ secrets", "nothing"] {
        let (_, flow) = judge(config.clone(), text).await;
        assert!(matches!(flow, Flow::Continue), "{text}");
    }
}

#[tokio::test]
async fn what_is_masked_is_gone() {
    let config = json!({"name": "LIST", "words": ["bluebird"], "patterns": [r"\bX-\d+\b"], "action": "mask"});
    let (exchange, flow) = judge(config.clone(), "Bluebird is X-12, not X-y").await;
    assert!(matches!(flow, Flow::Continue));
    assert!(rendered(&exchange).contains("[LIST] is [LIST], not X-y"));
    // A disguise cannot be masked by halves.
    let (_, flow) = judge(config, "bluеbird").await;
    assert!(matches!(flow, Flow::Reply(_)));
}

#[test]
fn mistakes_are_named() {
    for (config, path) in [
        (
            json!({"name": "", "words": ["x"]}),
            "plugins[0].deny_list.name",
        ),
        (json!({"name": "x"}), "plugins[0].deny_list"),
        (
            json!({"name": "x", "words": [" "]}),
            "plugins[0].deny_list.words[0]",
        ),
        (
            json!({"name": "x", "patterns": ["("]}),
            "plugins[0].deny_list.patterns[0]",
        ),
    ] {
        let text = list(config).unwrap_err().to_string();
        assert!(text.contains(path), "{text}");
    }
}
