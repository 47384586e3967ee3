#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(text: &str) -> (Plain, String) {
    let mut plain = Plain::new(true);
    let mut read = plain.push(text).into_owned();
    read += &plain.rest();
    (plain, read)
}

fn replaced(text: &str, piece: &str) -> String {
    let (mut plain, read) = read(text);
    let at = read.find(piece).unwrap();
    plain.take(&read, &[(at..at + piece.len(), "[X]".into())])
}

#[test]
fn strings_are_read_as_they_are_meant() {
    for (written, meant) in [
        (
            r#"{"na\u006de":"a\/b\n\"q\" \\n"}"#,
            "{\"name\":\"a/b\n\"q\" \\n\"}",
        ),
        (
            r#"["\ud83d\ude00","\u00E9\t"]"#,
            "[\"\u{1f600}\",\"\u{e9}\t\"]",
        ),
        // What strict readers refuse.
        (
            r#"["\ud83d","\ud83d\u0041","\ude00","\ud83d\n"]"#,
            "[\"\u{fffd}\",\"\u{fffd}A\",\"\u{fffd}\",\"\u{fffd}\n\"]",
        ),
        (r#"["\x41","\u00g1","\u"]"#, r#"["x41","u00g1","u"]"#),
        (r#"["\u004"#, r#"["\u004"#),
        (r"not \u0041 string", r"not \u0041 string"),
    ] {
        assert_eq!(read(written).1, meant, "{written}");
    }
}

#[test]
fn what_is_replaced_stays_json() {
    let text = r#"{"a":"ssn 123-45-6789.","b":123456789,"c":"\u00e9\n","d":true}"#;
    for (piece, with) in [
        ("123-45-6789", text.replace("123-45-6789", "[X]")),
        ("3456789,", text.replace("123456789", "\"[X]\"")),
        ("\u{e9}", text.replace(r"\u00e9", "[X]")),
        ("ru", text.replace("true", "\"[X]\"")),
        ("\",\"b", text.replace("\"b\"", "\"[X]\"")),
    ] {
        assert_eq!(replaced(text, piece), with);
    }
    let across = replaced(r#"["\u0041na","B\u0042"]"#, "na\",\"B");
    assert_eq!(across, r#"["\u0041[X]","[X]\u0042"]"#);
    assert_eq!(replaced("no json", "no"), "\"[X]\" json");
    let endless = "1".repeat(70);
    assert_eq!(replaced(&endless, "1"), format!("9{}", &endless[1..]));
}

#[test]
fn what_takes_the_place_is_escaped() {
    let (mut plain, read) = read(r#"["<A>",<A>]"#);
    let value = "O'Neil \"\\\"\n";
    let masks = [(2..5, value.into()), (7..10, value.into())];
    let out: Value = serde_json::from_str(&plain.take(&read, &masks)).unwrap();
    assert_eq!(out, json!([value, value]));
}

#[test]
fn nothing_is_cut_in_two() {
    let mut plain = Plain::new(true);
    assert_eq!(plain.push(r#"{"a":"x\u00"#), "{\"a\":\"x");
    assert_eq!(plain.push(r"e9\ud83d\ude"), "\u{e9}");
    assert_eq!(plain.push(r#"00",1234"#), "\u{1f600}\",");
    assert_eq!(plain.push("5}"), "12345}");
    let read = "{\"a\":\"x\u{e9}\u{1f600}\",12345}";
    let number = read.find('1').unwrap();
    assert_eq!(plain.floor(number + 2), number);
    assert_eq!(plain.ceil(number + 2), number + 5);
    assert_eq!((plain.floor(3), plain.ceil(3)), (3, 3));
    let first = plain.take(&read[..9], &[]);
    let rest = plain.take(&read[9..], &[]);
    assert_eq!(first + &rest, r#"{"a":"x\u00e9\ud83d\ude00",12345}"#);
}

/// JSON text with its characters escaped here and there.
pub(in crate::answer_text) fn escaped(value: &Value, every: usize) -> String {
    let mut out = String::new();
    let text = value.to_string();
    let mut inside = false;
    let mut chars = text.chars().enumerate();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => inside = !inside,
            '\\' if inside => {
                out.push(c);
                let (_, next) = chars.next().unwrap();
                out.push(next);
                continue;
            }
            c if inside && at % every == 0 => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out += &format!("\\u{unit:04x}");
                }
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

proptest! {
    #[test]
    fn any_text_in_any_pieces_reads_the_same_and_keeps_its_bytes(text in r#"([\[\]{},:"]|\\u00|\\ud83d|\\ude00|\\|u|e9|true|[0-9]{1,40}|\PC| ){0,30}"#, cut in 1..7usize) {
        let (_, whole) = read(&text);
        let mut plain = Plain::new(true);
        let mut out = String::new();
        let mut all = String::new();
        let chars: Vec<char> = text.chars().collect();
        let mut held = String::new();
        for piece in chars.chunks(cut) {
            let more = plain.push(&piece.iter().collect::<String>()).into_owned();
            all += &more;
            held += &more;
            let end = plain.floor(crate::answer_text::stop_list::floor(&held, held.len() / 2));
            out += &plain.take(&held[..end], &[]);
            held.drain(..end);
        }
        let more = plain.rest();
        all += &more;
        held += &more;
        out += &plain.take(&held, &[]);
        prop_assert_eq!(all, whole);
        prop_assert_eq!(out, text);
    }

    #[test]
    fn whatever_is_replaced_the_rest_is_json(key in "\\PC{0,6}", text in "\\PC{0,10}", number: i64, every in 1..9usize, a in 0..60usize, length in 0..30usize) {
        let value = json!({key.clone(): text, "n": number, "l": [1.5e3, true, null, "z\n"]});
        let (mut plain, read) = read(&escaped(&value, every));
        let floor = crate::answer_text::stop_list::floor;
        let start = floor(&read, a);
        let end = floor(&read, a + length).max(start);
        let out = plain.take(&read, &[(start..end, "[X\"]".into())]);
        prop_assert!(serde_json::from_str::<Value>(&out).is_ok(), "{out}");
    }
}
