//! Results are remembered, and texts under way are not computed twice.

use super::*;

#[tokio::test]
async fn a_text_that_was_seen_costs_nothing() {
    let rig = rig(|_| {});
    let first = rig.ask("word1 word2", &[TOPIC, TAGS]).await.unwrap();
    let again = rig.ask("word1 word2", &[TAGS, TOPIC]).await.unwrap();
    assert_eq!(first.results[0], again.results[1]);
    assert_eq!(again.timing, Timing::default());
    assert_eq!(rig.encoder.passes().len(), 1);

    // Only the head that is missing runs.
    rig.ask("word1 word2", &[TOPIC, GUARD]).await.unwrap();
    assert_eq!(rig.encoder.passes()[1].heads, [GUARD]);
    assert_eq!(rig.engine.shared.meters.hits.get(), 3);
    assert_eq!(rig.engine.shared.meters.misses.get(), 3);
}

#[tokio::test]
async fn nothing_is_remembered_when_the_cache_is_off() {
    let rig = rig(|options| options.cache.max_bytes = 0);
    rig.ask("word1", &[TOPIC]).await.unwrap();
    rig.ask("word1", &[TOPIC]).await.unwrap();
    assert_eq!(rig.encoder.passes().len(), 2);
}

#[tokio::test]
async fn identical_texts_under_way_share_one_pass() {
    let rig = rig(|options| options.cache.max_bytes = 0);
    let occupied = rig.occupy().await;
    let first = rig.spawn("word1 word2", &[TOPIC, GUARD]);
    rig.queued(1).await;
    let same: Vec<_> = (0..20)
        .map(|_| rig.spawn("word1 word2", &[GUARD]))
        .collect();
    until(|| rig.engine.shared.meters.joined.get() == 20).await;
    assert_eq!(rig.engine.shared.gate.texts(), 2);

    // The one who asked first is gone; the others still want the answer.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    rig.encoder.release();
    occupied.await.unwrap().unwrap();
    for call in same {
        assert_eq!(call.await.unwrap().unwrap().results.len(), 1);
    }
    assert_eq!(rig.encoder.passes().len(), 2);
    assert_eq!(rig.engine.shared.meters.cancelled.get(), 0);
}

#[tokio::test]
async fn a_wider_wish_does_not_wait_for_a_narrower_one() {
    let rig = rig(|_| {});
    let occupied = rig.occupy().await;
    let narrow = rig.spawn("word1", &[TOPIC]);
    rig.queued(1).await;
    let wide = rig.spawn("word1", ALL);
    rig.queued(2).await;
    rig.encoder.release();
    occupied.await.unwrap().unwrap();
    narrow.await.unwrap().unwrap();
    assert_eq!(wide.await.unwrap().unwrap().results.len(), 4);
}

#[tokio::test]
async fn errors_are_not_remembered() {
    let rig = rig(|_| {});
    rig.encoder.mood(fake_encoder::Mood::Fails);
    assert!(rig.ask("word1", &[TOPIC]).await.is_err());
    rig.encoder.mood(fake_encoder::Mood::Well);
    assert!(rig.ask("word1", &[TOPIC]).await.is_ok());
}
