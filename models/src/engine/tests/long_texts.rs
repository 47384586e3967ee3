//! Texts of many windows.

use super::*;

#[tokio::test]
async fn a_long_text_does_not_stall_a_short_one() {
    let rig = rig(|options| options.batch.max_tokens = Some(64));
    let occupied = rig.occupy().await;
    let due = Instant::now() + Duration::from_secs(1000);
    let long = rig.spawn_until(words(1000, 0), &[TOPIC], Some(due));
    until(|| rig.engine.shared.queue.tokens() > 1000).await;
    let before = rig.engine.shared.meters.queue_windows.get();
    let short = rig.spawn_until("word7", &[TOPIC], Some(due));
    until(|| rig.engine.shared.meters.queue_windows.get() == before + 1).await;
    rig.encoder.release();
    short.await.unwrap().unwrap();
    occupied.await.unwrap().unwrap();
    let result = long.await.unwrap().unwrap();
    assert_eq!(result.results[0].windows, 46);
    // The short text, of three tokens, ran among the long one's first windows.
    let passes = rig.encoder.passes();
    let place = passes[1..]
        .iter()
        .position(|pass| pass.sequences.iter().any(|s| s.len() == 3))
        .unwrap();
    assert!(place <= 1, "{place} of {}", passes.len());
}

#[tokio::test]
async fn a_megabyte_is_read_to_its_end_in_pieces() {
    let rig = rig(|options| {
        options.threads.tokenizer = Some(2);
        options.default_head.max_windows = 100_000;
        options.batch.max_tokens = Some(4096);
    });
    let text = words(150_000, 0);
    assert!(text.len() > 1 << 20);
    let analysis = rig.ask(&text, &[TOPIC, TAGS]).await.unwrap();
    // 30 tokens a window besides the special ones, 22 of them new.
    let windows = (150_000_usize - 8).div_ceil(22);
    for result in &analysis.results {
        assert_eq!((result.windows, result.unread_bytes), (windows, 0));
    }
    let Answer::Spans(spans) = &analysis.results[1].answer else {
        panic!("not spans")
    };
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].range, 0..text.len());
}

#[tokio::test]
async fn a_cap_is_told_and_saves_the_tokenising() {
    let rig = rig(|options| {
        options.text.piece_bytes = 256;
        options.default_head.max_windows = 3;
    });
    let text = words(5000, 0);
    let result = &rig.ask(&text, &[TAGS]).await.unwrap().results[0];
    assert_eq!(result.windows, 3);
    let Answer::Spans(spans) = &result.answer else {
        panic!("not spans")
    };
    // 30 + 2 * 22 words were read.
    let read = words(74, 0).len();
    assert_eq!(spans[0].range, 0..read);
    assert_eq!(result.unread_bytes, text.len() - read);
    assert_eq!(rig.engine.shared.meters.capped.get(), 1);

    // The last window ends with the text.
    let result = &rig.ask(&words(74, 1), &[TAGS]).await.unwrap().results[0];
    assert_eq!((result.windows, result.unread_bytes), (3, 0));
    let result = &rig.ask(&words(75, 1), &[TAGS]).await.unwrap().results[0];
    assert_eq!(result.windows, 3);
    assert!(result.unread_bytes > 0);
}

#[tokio::test]
async fn tokenising_ends_when_the_caller_is_gone() {
    let rig = rig(|options| {
        options.text.piece_bytes = 64;
        options.default_head.max_windows = 100_000;
    });
    let call = rig.spawn(words(400_000, 0), &[TOPIC]);
    until(|| rig.engine.shared.gate.texts() == 1).await;
    call.abort();
    until(|| rig.engine.shared.gate.texts() == 0).await;
    assert_eq!(rig.encoder.sequences(), 0);
    assert_eq!(rig.engine.shared.meters.cancelled.get(), 1);
}

#[tokio::test]
async fn short_texts_are_tokenised_between_the_pieces_of_a_long_one() {
    let rig = rig(|options| {
        options.text.piece_bytes = 64;
        options.default_head.max_windows = 100_000;
    });
    let long = rig.spawn(words(200_000, 0), &[TOPIC]);
    until(|| rig.engine.shared.gate.texts() == 1).await;
    rig.ask("word1", &[TOPIC]).await.unwrap();
    assert!(!long.is_finished());
    long.abort();
}
