use serde_json::json;

use super::*;

fn error(text: &str) -> String {
    text.parse::<Source>().unwrap_err().to_string()
}

#[test]
fn every_form_is_read_and_written_again() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    for text in [
        "bundle",
        "bundle:domain",
        "dir:/srv/models/a b",
        "dir:models",
        "hub:org/name",
        "hub:bert-base-uncased",
        "hub:org/name.v2_x@refs/pr/1",
        &format!("hub:org/name@{commit}"),
    ] {
        let source: Source = text.parse().unwrap();
        assert_eq!(source.to_string(), text);
    }
    assert_eq!(
        "hub: org/name@main ".parse(),
        "hub:org/name@main".parse::<Source>()
    );
    assert_eq!(
        "dir: /x".parse::<Source>().unwrap(),
        Source::Dir("/x".into())
    );
}

#[test]
fn a_commit_is_pinned_and_no_revision_is_main() {
    let model: HubModel = "org/name".parse().unwrap();
    assert_eq!((model.revision(), model.is_pinned()), ("main", false));
    let model: HubModel = "org/name@0123456789abcdef0123456789abcdef01234567"
        .parse()
        .unwrap();
    assert!(model.is_pinned());
    let model: HubModel = "org/name@0123456789ABCDEF0123456789ABCDEF01234567"
        .parse()
        .unwrap();
    assert!(!model.is_pinned(), "git writes commits in small letters");
}

#[test]
fn near_misses_get_a_suggestion() {
    for (wrong, right) in [
        ("hbu:org/name", "`hub:org/name`"),
        ("hf:org/name@v1", "`hub:org/name@v1`"),
        ("bundel:domain", "`bundle:domain`"),
        ("bundel", "`bundle`"),
        ("/srv/models/mine", "`dir:/srv/models/mine`"),
        ("./mine", "`dir:./mine`"),
        ("file:/mine", "`dir:/mine`"),
        ("org/name@v1", "`hub:org/name@v1`"),
        ("https://huggingface.co/org/name", "`hub:org/name`"),
    ] {
        let said = error(wrong);
        assert!(said.contains(&format!("did you mean {right}?")), "{said}");
    }
    assert!(error("quite-else").contains("write `bundle`, `bundle:HEAD`"));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for wrong in [
        "hub:../../etc",
        "hub:org/..",
        "hub:org/name/more",
        "hub:org--x/name",
        "hub:/name",
        "hub:org/",
        "hub:org/na me",
        "hub:org/name@",
        "hub:org/name@../main",
        "hub:org/name@/main",
        "hub:org/name@a/../b",
        "hub:org/name@.hidden",
        "hub:org/name@-f",
        "hub:org/name@a b",
        "hub:org/name@a%2Fb",
        "bundle:",
        "bundle:../x",
        "dir:",
        "hub:",
        "dir",
        "hub",
        "",
    ] {
        assert!(wrong.parse::<Source>().is_err(), "{wrong}");
    }
}

#[test]
fn configuration_takes_a_line_or_a_key_with_its_value() {
    let read = |value| serde_json::from_value::<Source>(value);
    let source: Source = "hub:org/name@v1".parse().unwrap();
    assert_eq!(read(json!("hub: org/name@v1")).unwrap(), source);
    assert_eq!(read(json!({"hub": "org/name@v1"})).unwrap(), source);
    assert_eq!(
        read(json!({"bundle": null})).unwrap(),
        Source::Bundle { head: None }
    );
    assert_eq!(
        read(json!({"dir": "/x"})).unwrap(),
        Source::Dir("/x".into())
    );
    assert_eq!(
        serde_json::to_value(&source).unwrap(),
        json!("hub:org/name@v1")
    );
    let said = read(json!({"hbu": "org/name"})).unwrap_err().to_string();
    assert!(said.contains("unknown field `hbu`"), "{said}");
    for wrong in [
        json!({}),
        json!({"hub": "a/b", "dir": "/x"}),
        json!(3),
        json!({"hub": null}),
    ] {
        assert!(read(wrong).is_err());
    }
}
