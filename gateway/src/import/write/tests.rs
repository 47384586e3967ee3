//! How values are written.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::config::{Document, Value};

/// What a reader finds under `key` in the first mapping of the list `list`.
fn read_back(text: &str) -> Vec<String> {
    let document = Document::parse("x", text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    let mut found = Vec::new();
    collect(document.root(), &mut found);
    found
}

fn collect(node: crate::config::Node<'_>, found: &mut Vec<String>) {
    match node.value() {
        Value::Scalar(text) => found.push(text.to_owned()),
        Value::Null => found.push("(null)".to_owned()),
        Value::List(items) => items.into_iter().for_each(|item| collect(item, found)),
        Value::Map(entries) => entries.into_iter().for_each(|(key, value)| {
            found.push(key.to_owned());
            collect(value, found);
        }),
    }
}

fn everywhere(text: &str) -> Map {
    let item = Item {
        above: vec![text.to_owned()],
        beside: Some(text.to_owned()),
        muted: false,
        value: Map::flow().with(text, text).into(),
    };
    let muted = Item {
        muted: true,
        ..Item::from(Map::block().with("k", text))
    };
    let inner = Map::block()
        .with("deep", text)
        .with("short", vec![text.to_owned()]);
    Map::block().with("top", text).with(
        "list",
        vec![item, muted, Map::block().with("inner", inner).into()],
    )
}

#[test]
fn blocks_are_for_people() {
    let long = "word ".repeat(40);
    let map = everywhere("a b").with("long", long.trim_end());
    let text = render(&["head".to_owned(), String::new(), "more".to_owned()], &map);
    insta::assert_snapshot!(text, @r"
    # head
    #
    # more

    top: a b

    list:
      # a b
      - {a b: a b}  # a b
      # - k: a b
      - inner:
          deep: a b
          short: [a b]

    long: >-
      word word word word word word word word word word word word word word word word word word word word
      word word word word word word word word word word word word word word word word word word word word
    ");
}

#[test]
fn a_list_of_comments_is_an_empty_list() {
    let muted = Item {
        muted: true,
        ..Item::from(Map::block().with("k", "v"))
    };
    let text = render(&[], &Map::block().with("list", vec![muted]));
    insta::assert_snapshot!(text, @r"
    list: []
      # - k: v
    ");
}

#[test]
fn words_that_mean_something_are_quoted() {
    let tricky = [
        "true",
        "No",
        "null",
        "12",
        "1e3",
        "~",
        "",
        "a: b",
        "a #b",
        "- a",
        "*x",
        "&x",
        "!x",
        "a,b",
        "{a}",
        "a:",
        "'",
        "\"",
        "\\d+",
        " a",
        "a ",
        "a  b",
        "\t",
        "x\ny",
        "x\n",
        "\nx",
        "%a",
        "@a",
        "`a",
        "|",
        ">",
        "=",
        "<<",
        "0x1f",
        ".5",
        "2026-01-01",
        "ä ö",
        "日本",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "x\n\u{feff}",
        "a\r\nb",
        "---",
        "#",
    ];
    for text in tricky {
        let found = read_back(&render(&[], &everywhere(text)));
        let expected = [
            "top", text, "list", text, text, "inner", "deep", text, "short", text,
        ];
        assert_eq!(found, expected, "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_text_comes_back(text in "(?s).{0,40}") {
        let found = read_back(&render(&[], &everywhere(&text)));
        let text = text.as_str();
        prop_assert_eq!(found, ["top", text, "list", text, text, "inner", "deep", text, "short", text]);
    }

    #[test]
    fn long_texts_come_back(text in "[a-z#:'\" \n-]{0,400}") {
        let found = read_back(&render(&[], &everywhere(&text)));
        let text = text.as_str();
        prop_assert_eq!(found, ["top", text, "list", text, text, "inner", "deep", text, "short", text]);
    }
}
