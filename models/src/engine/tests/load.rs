//! Many callers at once: batches, order, limits, cancelled and expired calls.

use super::*;

#[tokio::test]
async fn single_equals_batch() {
    let alone = rig(|options| options.cache.max_bytes = 0);
    let together = rig(|options| options.batch.max_tokens = Some(2048));
    let texts: Vec<String> = (0..24).map(|i| words(1 + i * 7 % 90, i)).collect();
    let occupied = together.occupy().await;
    let calls: Vec<_> = texts
        .iter()
        .map(|text| together.spawn(text.clone(), ALL))
        .collect();
    until(|| together.engine.shared.queue.tokens() > 600).await;
    together.encoder.release();
    occupied.await.unwrap().unwrap();
    for (text, call) in texts.iter().zip(calls) {
        let batched = call.await.unwrap().unwrap();
        let single = alone.ask(text, ALL).await.unwrap();
        assert_eq!(single.results, batched.results);
    }
    let passes = together.encoder.passes().len();
    assert!(passes < texts.len(), "{passes} passes");
}

#[tokio::test]
async fn sixty_four_clients_form_batches_within_the_budget() {
    let rig = rig(|options| {
        options.batch.max_tokens = Some(100);
        options.batch.max_windows = Some(16);
    });
    let occupied = rig.occupy().await;
    // 12 tokens each with the special ones: 8 to a batch.
    let calls: Vec<_> = (0..64).map(|i| rig.spawn(words(10, i), &[TOPIC])).collect();
    rig.queued(64).await;
    assert_eq!(rig.engine.shared.gate.texts(), 65);
    rig.encoder.release();
    occupied.await.unwrap().unwrap();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let passes = rig.encoder.passes();
    assert_eq!(passes.len(), 1 + 8);
    assert!(passes[1..].iter().all(|pass| pass.sequences.len() == 8));
    assert_eq!(rig.engine.shared.gate.texts(), 0);
    assert_eq!(rig.engine.shared.queue.tokens(), 0);
}

#[tokio::test]
async fn batches_are_filled_with_what_fits_longest_first() {
    let rig = rig(|options| options.batch.max_tokens = Some(50));
    let occupied = rig.occupy().await;
    let mut calls = Vec::new();
    // With the special tokens: 30, 22, 18.
    for (index, length) in [28, 20, 16].into_iter().enumerate() {
        calls.push(rig.spawn(words(length, index), &[TOPIC]));
        rig.queued(index + 1).await;
    }
    rig.encoder.release();
    occupied.await.unwrap().unwrap();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let lengths: Vec<Vec<usize>> = rig.encoder.passes()[1..]
        .iter()
        .map(|pass| pass.sequences.iter().map(Vec::len).collect())
        .collect();
    assert_eq!(lengths, [vec![30, 18], vec![22]]);
}

#[tokio::test]
async fn who_is_due_first_goes_first() {
    let rig = rig(|options| options.batch.max_windows = Some(1));
    let occupied = rig.occupy().await;
    let now = Instant::now();
    let mut calls = Vec::new();
    for (index, seconds) in [500, 300, 400].into_iter().enumerate() {
        let due = now + Duration::from_secs(seconds);
        let text = format!("word{index}");
        calls.push(rig.spawn_until(text, &[TOPIC], Some(due)));
        rig.queued(index + 1).await;
    }
    rig.encoder.release();
    occupied.await.unwrap().unwrap();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let passes = rig.encoder.passes();
    let first = passes[1].sequences[0][1];
    let order: Vec<u32> = passes[1..].iter().map(|p| p.sequences[0][1]).collect();
    // `word1`, `word2`, `word0`; ids ascend with the number.
    assert_eq!(order, [first, first + 1, first - 1]);
}

#[tokio::test]
async fn half_of_the_clients_go_and_their_work_goes_with_them() {
    let rig = rig(|options| options.batch.max_windows = Some(4));
    let occupied = rig.occupy().await;
    let calls: Vec<_> = (0..64).map(|i| rig.spawn(words(5, i), &[TOPIC])).collect();
    rig.queued(64).await;
    let mut stay = Vec::new();
    for (index, call) in calls.into_iter().enumerate() {
        if index % 2 == 0 {
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
        } else {
            stay.push(call);
        }
    }
    rig.encoder.release();
    occupied.await.unwrap().unwrap();
    for call in stay {
        call.await.unwrap().unwrap();
    }
    until(|| rig.engine.shared.gate.texts() == 0).await;
    assert_eq!(rig.encoder.sequences(), 1 + 32);
    assert_eq!(rig.encoder.passes().len(), 1 + 8);
    assert_eq!(rig.engine.shared.meters.cancelled.get(), 32);
}

#[tokio::test]
async fn what_is_late_costs_nothing() {
    let rig = rig(|_| {});
    let past = Instant::now();
    let late = rig.spawn_until("word1", &[TOPIC], Some(past));
    assert_eq!(late.await.unwrap().unwrap_err(), ModelError::Deadline);

    let occupied = rig.occupy().await;
    let soon = Instant::now() + Duration::from_millis(300);
    let call = rig.spawn_until(words(100, 0), ALL, Some(soon));
    // The caller hears of it while the model is still busy.
    assert_eq!(call.await.unwrap().unwrap_err(), ModelError::Deadline);
    rig.encoder.release();
    occupied.await.unwrap().unwrap();
    until(|| rig.engine.shared.gate.texts() == 0).await;
    assert_eq!(rig.encoder.sequences(), 1);
    let meters = &rig.engine.shared.meters;
    // Whether the thread saw first that the caller was gone or that it was late does not matter.
    assert_eq!(meters.expired.get() + meters.cancelled.get(), 2);
}

#[tokio::test]
async fn the_engines_own_timeout_holds_for_calls_without_a_deadline() {
    let rig = rig(|options| options.queue.timeout_ms = Some(50));
    rig.encoder.hold();
    assert_eq!(
        rig.ask("word1", &[TOPIC]).await.unwrap_err(),
        ModelError::Deadline
    );
    rig.encoder.release();
}

#[tokio::test]
async fn a_full_engine_says_so_and_those_who_left_make_room() {
    let rig = rig(|options| options.queue.max_texts = 3);
    let occupied = rig.occupy().await;
    let first = rig.spawn("word1", &[TOPIC]);
    let second = rig.spawn("word2", &[TOPIC]);
    rig.queued(2).await;
    assert_eq!(
        rig.ask("word3", &[TOPIC]).await.unwrap_err(),
        ModelError::Overloaded
    );
    // The same text needs no place of its own.
    let same = rig.spawn("word1", &[TOPIC]);
    until(|| rig.engine.shared.meters.joined.get() == 1).await;

    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    let third = rig.spawn("word3", &[TOPIC]);
    until(|| rig.engine.shared.meters.cancelled.get() == 1).await;
    rig.encoder.release();
    for call in [occupied, first, same, third] {
        call.await.unwrap().unwrap();
    }
    assert_eq!(rig.engine.shared.meters.overloaded.get(), 1);
    assert_eq!(rig.encoder.sequences(), 3);
}

#[tokio::test]
async fn the_queue_is_bounded_in_tokens() {
    let rig = rig(|options| options.queue.max_tokens = 100);
    let occupied = rig.occupy().await;
    let calls: Vec<_> = (0..10).map(|i| rig.spawn(words(28, i), &[TOPIC])).collect();
    until(|| calls.iter().filter(|call| call.is_finished()).count() == 6).await;
    assert!(rig.engine.shared.queue.tokens() <= 130);
    rig.encoder.release();
    occupied.await.unwrap().unwrap();
    let mut refused = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => {}
            Err(ModelError::Overloaded) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(refused, 6);
}
