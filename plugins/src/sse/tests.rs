#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

/// All events of a stream that comes in these chunks, the rest included.
fn events(chunks: &[&[u8]]) -> Vec<Bytes> {
    let mut decoder = SseDecoder::new();
    let mut all = Vec::new();
    for chunk in chunks {
        all.extend(decoder.push(Bytes::copy_from_slice(chunk)).unwrap());
    }
    all.extend(decoder.finish().unwrap());
    all
}

#[test]
fn all_line_ends_end_an_event() {
    for end in ["\n", "\r\n", "\r"] {
        let one = format!("event: a{end}data: 1{end}{end}");
        let two = format!(": c{end}{end}");
        let stream = format!("{one}{two}{end}data: rest");
        let got = events(&[stream.as_bytes()]);
        assert_eq!(got, [&one, &two, end, "data: rest"], "{end:?}");
    }
}

#[test]
fn an_event_leaves_as_soon_as_it_is_whole() {
    let mut decoder = SseDecoder::new();
    assert_eq!(
        decoder.push(Bytes::from_static(b"data: 1\n")).unwrap(),
        [""; 0]
    );
    assert_eq!(
        decoder
            .push(Bytes::from_static(b"\ndata: 2\r\n\r\nda"))
            .unwrap(),
        ["data: 1\n\n", "data: 2\r\n\r\n"]
    );
    assert_eq!(
        decoder.push(Bytes::from_static(b"ta: 3\n\n")).unwrap(),
        ["data: 3\n\n"]
    );
    assert_eq!(decoder.finish().unwrap(), None);
}

#[test]
fn an_event_inside_a_chunk_is_not_copied() {
    let chunk = Bytes::from_static(b"data: 1\n\ndata: 2\n\n");
    let got = SseDecoder::new().push(chunk.clone()).unwrap();
    assert_eq!(got[0].as_ptr(), chunk.as_ptr());
    assert_eq!(got[1].as_ptr(), chunk[9..].as_ptr());
}

#[test]
fn a_large_event_is_an_error_after_those_before_it() {
    let too_large = Err(SseError::TooLarge { limit: 12 });
    let mut decoder = SseDecoder::with_limit(12);
    let got = decoder.push(Bytes::from_static(
        b"data: 12\n\ndata: 1234567\n\ndata: 1\n\n",
    ));
    assert_eq!(got.unwrap(), ["data: 12\n\n"]);
    assert_eq!(decoder.push(Bytes::from_static(b"\n\n")), too_large);
    assert_eq!(decoder.finish(), Err(SseError::TooLarge { limit: 12 }));
    // An event that never ends must not fill the memory.
    let mut decoder = SseDecoder::with_limit(12);
    assert_eq!(
        decoder.push(Bytes::from_static(b"data: 123456")).unwrap(),
        [""; 0]
    );
    assert_eq!(decoder.push(Bytes::from_static(b"7")), too_large);
}

#[test]
fn fields_are_read() {
    let event = Event::parse(
        "\u{feff}event: x\r\nid:7\r\ndata: a\r\ndata\r\ndata:  b\r\nretry: 1\r\n: c\r\n\r\n"
            .as_bytes(),
    );
    assert_eq!(event.name.as_deref(), Some("x"));
    assert_eq!(event.id.as_deref(), Some("7"));
    assert_eq!(event.data.as_deref(), Some("a\n\n b"));
    assert!(event.comment && !event.is_comment_only());
    assert!(Event::parse(b":\n\n").is_comment_only());
    assert!(!Event::parse(b"\n").is_comment_only());
    assert_eq!(
        Event::parse(b"data: \xff\n\n").data.as_deref(),
        Some("\u{fffd}")
    );
}

#[test]
fn the_end_is_known() {
    assert!(is_done(&Event::parse(b"data: [DONE]\n\n")));
    assert!(is_done(&Event::parse(b"data:[DONE] \r\r")));
    assert!(!is_done(&Event::parse(
        b"data: {\"content\":\"[DONE]\"}\n\n"
    )));
    assert!(!is_done(&Event::parse(b": [DONE]\n\n")));
}

fn usage(prompt: u64, completion: u64, cached: u64) -> Option<Usage> {
    Some(Usage {
        prompt,
        completion,
        cached,
    })
}

#[test]
fn usage_of_every_api() {
    let chat = r#"{"choices":[],"usage":{"prompt_tokens":534,"completion_tokens":2,"total_tokens":536,"prompt_tokens_details":{"cached_tokens":528}}}"#;
    assert_eq!(usage_of(chat), usage(534, 2, 528));
    let responses = r#"{"type":"response.completed","response":{"usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":4},"output_tokens":6}}}"#;
    assert_eq!(usage_of(responses), usage(5, 6, 4));
    let start = r#"{"type":"message_start","message":{"usage":{"input_tokens":5,"cache_read_input_tokens":3,"cache_creation_input_tokens":2,"output_tokens":1}}}"#;
    let delta = r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":9}}"#;
    let mut all = usage_of(start).unwrap();
    all.absorb(usage_of(delta).unwrap());
    assert_eq!(Some(all), usage(10, 9, 3));
}

#[test]
fn no_usage_where_there_is_none() {
    for json in [
        r#"{"choices":[{"delta":{"content":"the \"usage\" of"}}]}"#,
        r#"{"usage":null}"#,
        r#"{"usage":7}"#,
        r#"{"usage":{"prompt_tokens":1}"#,
        r#"["usage"]"#,
        "",
    ] {
        assert_eq!(usage_of(json), None, "{json}");
    }
    assert_eq!(
        usage_of(r#"{"usage":{"prompt_tokens":-1,"completion_tokens":null}}"#),
        usage(0, 0, 0)
    );
}

#[test]
fn errors_inside_a_stream_are_seen() {
    let error = |text: &str| error_of(&Event::parse(text.as_bytes()));
    let dynamo = error(
        "data: {\"error\":{\"message\":\"gone\",\"type\":\"service_unavailable\",\"code\":503}}\n\n",
    );
    assert_eq!(
        dynamo,
        Some(EventError {
            message: "gone".into(),
            kind: "service_unavailable".into(),
            status: Some(503),
            code: None
        })
    );
    let openai =
        error("data: {\"error\":{\"message\":\"m\",\"code\":\"server_error\"}}\n\n").unwrap();
    assert_eq!(
        (openai.status, openai.code.as_deref()),
        (None, Some("server_error"))
    );
    let anthropic = error("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n").unwrap();
    assert_eq!(anthropic.kind, "overloaded_error");
    let responses =
        error("event: error\ndata: {\"type\":\"error\",\"code\":\"x\",\"message\":\"m\"}\n\n")
            .unwrap();
    assert_eq!(
        (responses.message.as_str(), responses.code.as_deref()),
        ("m", Some("x"))
    );
    let failed = error("event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"x\",\"message\":\"m\"}}}\n\n").unwrap();
    assert_eq!(failed.message, "m");
    assert!(error("event: error\ndata: what?\n\n").is_some());
    assert_eq!(
        error("data: {\"error\":\"plain\"}\n\n").unwrap().message,
        "plain"
    );
}

#[test]
fn what_is_no_error_is_not_taken_for_one() {
    for text in [
        "data: {\"choices\":[{\"delta\":{\"content\":\"an \\\"error\\\": x\"}}]}\n\n",
        "data: {\"error\":null,\"choices\":[]}\n\n",
        "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"error\":null}}\n\n",
        "data: {\"choices\":[{\"error\":\"nested\"}]}\n\n",
        ": \"error\"\n\n",
        "data: [DONE]\n\n",
    ] {
        assert_eq!(error_of(&Event::parse(text.as_bytes())), None, "{text}");
    }
}

#[test]
fn the_usage_chunk_is_known() {
    assert!(is_usage_only_chunk(
        r#"{"choices": [ ],"usage":{"prompt_tokens":1}}"#
    ));
    for json in [
        r#"{"choices":[],"usage":null}"#,
        r#"{"choices":[{"index":0}],"usage":{"prompt_tokens":1}}"#,
        r#"{"usage":{"input_tokens":1}}"#,
        r#"{"choices":[]}"#,
    ] {
        assert!(!is_usage_only_chunk(json), "{json}");
    }
}

/// The standard read literally: lines, and an event ends behind each blank one.
fn naive(stream: &[u8]) -> Vec<&[u8]> {
    let mut events = Vec::new();
    let (mut event, mut line, mut at) = (0, 0, 0);
    while at < stream.len() {
        let end = match &stream[at..] {
            [b'\r', b'\n', ..] => at + 2,
            [b'\r' | b'\n', ..] => at + 1,
            _ => {
                at += 1;
                continue;
            }
        };
        if at == line {
            events.push(&stream[event..end]);
            event = end;
        }
        (at, line) = (end, end);
    }
    if event < stream.len() {
        events.push(&stream[event..]);
    }
    events
}

proptest! {
    /// Wherever the network splits a stream, the events are the same, and together they are the stream.
    #[test]
    fn any_split_gives_equal_events(
        lines in prop::collection::vec("(\u{feff}|data: )?[a:é]{0,3}(\n|\r\n|\r|\n\n|\r\r|\r\n\r\n)?", 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream = lines.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &stream[w[0]..w[1]]).collect();
        let whole = events(&[&stream]);
        prop_assert_eq!(events(&chunks), whole.clone());
        prop_assert_eq!(whole.concat(), stream.clone());
        prop_assert_eq!(&whole, &naive(&stream));
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(events(&bytes), whole);
    }

    /// An error comes at the same event however the stream is split.
    #[test]
    fn the_limit_does_not_depend_on_the_split(
        sizes in prop::collection::vec(1usize..20, 1..6),
        step in 1usize..30,
    ) {
        let stream: String = sizes.iter().map(|n| format!("{}\n\n", "x".repeat(*n))).collect();
        let mut decoder = SseDecoder::with_limit(16);
        let mut got = 0;
        let mut failed = false;
        for chunk in stream.as_bytes().chunks(step) {
            match decoder.push(Bytes::copy_from_slice(chunk)) {
                Ok(events) => got += events.len(),
                Err(_) => failed = true,
            }
        }
        failed |= decoder.finish().is_err();
        let fits = sizes.iter().take_while(|n| **n + 2 <= 16).count();
        prop_assert_eq!((got, failed), (fits, fits < sizes.len()));
    }
}
