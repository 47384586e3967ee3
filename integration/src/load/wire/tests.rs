#![allow(clippy::unwrap_used)]
use super::*;

/// Decodes `bytes` cut at `cut`, showing again what was not used.
fn decode_in_two(framing: Framing, bytes: &[u8], cut: usize) -> Result<(Vec<u8>, bool), Malformed> {
    let mut decoder = Decoder::new(framing);
    let mut out = Vec::new();
    let used = decoder.decode(&bytes[..cut], |part| out.extend_from_slice(part))?;
    decoder.decode(&bytes[used..], |part| out.extend_from_slice(part))?;
    Ok((out, decoder.is_done()))
}

#[test]
fn bodies_do_not_depend_on_how_they_arrive() {
    let chunked = b"5\r\nhello\r\n1;ext=1\r\n \r\n5\r\nworld\r\n0\r\nx: y\r\n\r\n";
    for cut in 0..=chunked.len() {
        let decoded = decode_in_two(Framing::Chunked, chunked, cut);
        assert_eq!(decoded, Ok((b"hello world".to_vec(), true)), "cut at {cut}");
    }
    for cut in 0..=5 {
        let decoded = decode_in_two(Framing::Length(5), b"hello", cut);
        assert_eq!(decoded, Ok((b"hello".to_vec(), true)));
    }
}

#[test]
fn cut_and_broken_bodies_are_noticed() {
    let not_done = |framing, bytes: &[u8]| decode_in_two(framing, bytes, 0).unwrap().1;
    assert!(!not_done(Framing::Chunked, b"5\r\nhello\r\n"));
    assert!(!not_done(Framing::Chunked, b"5\r\nhello\r\n0\r\n"));
    assert!(!not_done(Framing::Length(6), b"hello"));
    assert!(!not_done(Framing::ToTheEnd, b"hello"));
    assert_eq!(
        decode_in_two(Framing::Chunked, b"xyz\r\n", 0),
        Err(Malformed)
    );
    assert_eq!(
        decode_in_two(Framing::Chunked, b"1\r\nab\r\n", 0),
        Err(Malformed)
    );
}

#[test]
fn the_head_tells_framing_and_kind() {
    let text = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nrest";
    let (length, found) = head(text).unwrap().unwrap();
    assert_eq!(length, text.len() - 4);
    assert!(found.sse && !found.close && found.framing == Framing::Chunked);
    for cut in 0..length {
        assert!(head(&text[..cut]).unwrap().is_none());
    }
    let text = b"HTTP/1.1 503 No\r\ncontent-length: 7\r\nconnection: close\r\n\r\n";
    let (_, found) = head(text).unwrap().unwrap();
    assert!(found.close && found.framing == Framing::Length(7) && found.status == 503);
    assert!(head(b"SMTP ready\r\n\r\n").is_err());
}

fn stream(text: &str, cut: usize) -> (Sink, usize) {
    let mut sink = Sink {
        sse: true,
        ..Sink::default()
    };
    let mut gaps = 0;
    let now = Instant::now();
    for part in [&text[..cut], &text[cut..]] {
        sink.feed(part.as_bytes(), now, &mut |_| gaps += 1);
    }
    (sink, gaps)
}

#[test]
fn events_do_not_depend_on_how_they_arrive() {
    let text = "data: {\"a\":1}\n\n:\n\nevent: x\r\ndata: 2\r\n\r\ndata: [DONE]\n\n";
    for cut in 0..=text.len() {
        let (sink, gaps) = stream(text, cut);
        assert_eq!((sink.events, gaps), (3, 2), "cut at {cut}");
        assert!(sink.is_good_stream() && sink.first.is_some());
    }
}

#[test]
fn bad_streams_are_told_from_good_ones() {
    let good = |text: &str| stream(text, 0).0.is_good_stream();
    assert!(!good("data: {\"a\":1}\n\n"));
    assert!(!good(
        "data: {\"error\":{\"code\":503}}\n\ndata: [DONE]\n\n"
    ));
    assert!(!good("event: error\ndata: {}\n\ndata: [DONE]\n\n"));
    assert!(good("event: response.completed\ndata: {}\n\n"));
    assert!(good("data:[DONE]\n\n"));
}
