//! What does not fit is refused, with its name.

use super::random::*;
use crate::ModelError;
use crate::encoder::{Encoder, Packed};
use crate::native::{NativeEncoder, Precision, Threads};
use crate::weights::*;

fn refused(change: impl FnOnce(&mut EncoderWeights)) -> String {
    let mut weights = model(MODERN, 1);
    change(&mut weights);
    match NativeEncoder::new(&weights, Precision::F32, Threads::caller()) {
        Err(ModelError::Load { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    assert!(refused(|weights| weights.attention_heads = 5).contains("5 attention heads"));
    assert!(refused(|weights| weights.segments[0].parent = Some(0)).contains("shared"));
    let reason = refused(|weights| weights.segments[0].layers[1].up.weight.columns = 3);
    assert!(reason.contains("shared: layer 1: up"), "{reason}");
    let reason = refused(|weights| {
        weights.segments[1].layers[0]
            .feed_forward_norm
            .weight
            .clear()
    });
    assert!(reason.contains("feed-forward norm"), "{reason}");
    assert!(refused(|weights| weights.heads[0].segment = 9).contains("head class"));
    assert!(refused(|weights| weights.heads[3].info.width = 1).contains("head vector"));
    for (tokens, step) in [(4, 0), (4, 5), (0, 0)] {
        let parts = Pooling::Worst(Parts { tokens, step });
        let reason = refused(|weights| weights.heads[1].pooling = parts);
        assert!(
            reason.contains(&format!("parts of {tokens} tokens")),
            "{reason}"
        );
    }
    assert!(refused(|weights| weights.positions = Positions::Absolute).contains("window"));
    let reason = refused(|weights| {
        let matrix = &mut weights.segments[0].layers[0].qkv.weight;
        let values = vec![1; matrix.rows * matrix.columns];
        let scales = vec![1.0];
        matrix.values = Values::Int8 { values, scales };
    });
    assert!(reason.contains("scales"), "{reason}");
}

#[test]
fn disentangled_attention_is_left_to_candle() {
    let reason = refused(|weights| {
        weights.positions = Positions::Disentangled(Disentangled {
            relative: Random::new(1).matrix(8, 48),
            span: 4,
            max_distance: 8,
            buckets: 0,
            content_to_position: true,
            position_to_content: true,
        });
    });
    assert!(reason.contains("candle"), "{reason}");
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let weights = model(BERT, 1);
    let encoder = NativeEncoder::new(&weights, Precision::Int8, Threads::caller()).unwrap();
    let one = |ids: &[u32]| {
        let mut batch = Packed::default();
        batch.push(ids);
        batch
    };
    let failed = |batch: &Packed, wanted: &[usize]| match encoder.forward(batch, wanted) {
        Err(ModelError::Infer(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert!(failed(&one(&[3, VOCABULARY as u32]), &[0]).contains("token 50"));
    assert!(failed(&one(&[1; 91]), &[0]).contains("91 tokens"));
    assert!(failed(&one(&[1]), &[6]).contains("head 6"));
    assert!(encoder.forward(&one(&[1; 90]), &[0]).is_ok());
    // Nothing to do is no mistake.
    let empty = encoder.forward(&Packed::default(), &[0, 2]).unwrap();
    assert!(empty.iter().all(|output| output.values.is_empty()));
}

#[test]
fn unknown_kernels_are_replaced_by_the_best() {
    let weights = model(BERT, 1);
    let threads = Threads::caller();
    let best = NativeEncoder::new(&weights, Precision::F32, threads.clone()).unwrap();
    let other =
        NativeEncoder::with_kernels(&weights, Precision::F32, threads, Some("mmx")).unwrap();
    assert_eq!(other.kernels(), best.kernels());
    assert!(format!("{best:?}").contains("F32"));
}
