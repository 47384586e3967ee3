//! Whatever breaks, callers hear of it and the engine lives if it can.

use super::fake_encoder::Mood;
use super::*;

#[tokio::test]
async fn a_panic_fails_its_batch_and_nothing_else() {
    let rig = rig(|options| options.batch.max_windows = Some(4));
    let occupied = rig.occupy().await;
    let calls: Vec<_> = (0..4).map(|i| rig.spawn(words(3, i), &[TOPIC])).collect();
    rig.queued(4).await;
    rig.encoder.mood(Mood::Panics);
    rig.encoder.release();
    // It waited in the encoder when the mood changed.
    assert!(occupied.await.unwrap().is_err());
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error, ModelError::Infer("the encoder panicked".to_owned()));
    }
    rig.encoder.mood(Mood::Well);
    rig.ask("word9", &[TOPIC]).await.unwrap();
    assert_eq!(rig.engine.shared.meters.panics.get(), 2);
    assert_eq!(rig.engine.shared.gate.texts(), 0);
}

#[tokio::test]
async fn when_the_last_model_thread_dies_nobody_waits() {
    let rig = rig(|options| options.batch.max_windows = Some(1));
    let occupied = rig.occupy().await;
    let waiting: Vec<_> = (0..5).map(|i| rig.spawn(words(3, i), &[TOPIC])).collect();
    rig.queued(5).await;
    rig.encoder.mood(Mood::Kills);
    rig.encoder.release();
    assert!(occupied.await.unwrap().is_err());
    for call in waiting {
        assert!(matches!(
            call.await.unwrap().unwrap_err(),
            ModelError::Infer(_)
        ));
    }
    assert!(matches!(
        rig.ask("word1", &[TOPIC]).await.unwrap_err(),
        ModelError::Infer(_)
    ));
    assert_eq!(rig.engine.shared.gate.texts(), 0);
}

#[tokio::test]
async fn when_one_of_two_model_threads_dies_the_other_goes_on() {
    let rig = rig(|options| options.threads.model = 2);
    rig.encoder.mood(Mood::Kills);
    assert!(rig.ask("word1", &[TOPIC]).await.is_err());
    rig.encoder.mood(Mood::Well);
    for index in 0..10 {
        rig.ask(&words(2, index), &[TOPIC]).await.unwrap();
    }
}

#[tokio::test]
async fn an_encoder_that_answers_nonsense_is_not_believed() {
    let rig = rig(|_| {});
    for (mood, heads) in [
        (Mood::Fails, &[TOPIC]),
        (Mood::Shapeless, &[TAGS]),
        (Mood::Shapeless, &[VECTOR]),
        (Mood::NotANumber, &[TOPIC]),
        (Mood::NotANumber, &[VECTOR]),
    ] {
        rig.encoder.mood(mood);
        let error = rig.ask("word1", heads).await.unwrap_err();
        assert!(matches!(error, ModelError::Infer(_)), "{mood:?}");
    }
}

#[test]
fn an_engine_whose_encoder_fails_at_first_does_not_start() {
    let encoder = Arc::new(FakeEncoder::new());
    for mood in [Mood::Fails, Mood::Panics] {
        encoder.mood(mood);
        let error = engine(&encoder, |options| options.warm_up = vec![8]);
        assert!(matches!(error, Err(ModelError::Load { .. })));
    }
    encoder.mood(Mood::Well);
    let engine = engine(&encoder, |options| options.warm_up = vec![8, 1000, 8]).unwrap();
    let lengths: Vec<usize> = engine.warm_up().iter().map(|(length, _)| *length).collect();
    assert_eq!(lengths, [8, 64]);
    let pass = encoder.passes().pop().unwrap();
    assert_eq!((pass.sequences[0].len(), &*pass.heads), (64, ALL));
}

#[tokio::test]
async fn closing_drains_and_stopping_does_not() {
    let first = rig(|_| {});
    let occupied = first.occupy().await;
    let closing = tokio::spawn({
        let engine = Arc::clone(&first.engine);
        async move { engine.close().await }
    });
    until(|| first.engine.closing.load(Ordering::SeqCst)).await;
    assert!(first.ask("word1", &[TOPIC]).await.is_err());
    assert!(!closing.is_finished());
    first.encoder.release();
    closing.await.unwrap();
    occupied.await.unwrap().unwrap();

    let second = rig(|_| {});
    let occupied = second.occupy().await;
    let waiting = second.spawn("word1", &[TOPIC]);
    second.queued(1).await;
    second.engine.stop();
    assert!(waiting.await.unwrap().is_err());
    assert!(occupied.await.unwrap().is_err());
    second.encoder.release();
    assert!(second.ask("word1", &[TOPIC]).await.is_err());
}

#[tokio::test]
async fn dropping_the_engine_ends_its_threads() {
    let Rig { engine, encoder } = rig(|options| options.threads.tokenizer = Some(3));
    assert!(Arc::strong_count(&encoder) > 1);
    drop(engine);
    until(|| Arc::strong_count(&encoder) == 1).await;
}
