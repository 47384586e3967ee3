//! Same numbers as the plain encoder: every precision, every instruction set at hand, packed or single.

use proptest::prelude::*;

use super::random::*;
use super::reference;
use crate::candle::CandleEncoder;
use crate::encoder::{Encoder, Packed};
use crate::native::kernel::Isa;
use crate::native::{NativeEncoder, Precision, Threads};
use crate::weights::*;

fn isas() -> Vec<&'static str> {
    Isa::all().into_iter().map(Isa::name).collect()
}

fn encoder(weights: &EncoderWeights, precision: Precision, isa: &str) -> NativeEncoder {
    let encoder =
        NativeEncoder::with_kernels(weights, precision, Threads::caller(), Some(isa)).unwrap();
    assert_eq!(
        encoder.kernels(),
        isa,
        "the kernels disagree with plain loops"
    );
    encoder
}

/// The largest difference from the plain encoder, in parts of the largest number, over all heads.
fn difference(weights: &EncoderWeights, encoder: &NativeEncoder, batch: &Packed) -> f64 {
    let wanted: Vec<usize> = (0..weights.heads.len()).collect();
    let outputs = encoder.forward(batch, &wanted).unwrap();
    let mut worst = 0.0f64;
    for (head, output) in outputs.iter().enumerate() {
        let expected = reference::run(weights, batch, head);
        assert_eq!(output.values.len(), expected.len());
        assert_eq!(output.width, weights.heads[head].info.width);
        let largest = expected.iter().fold(1.0f64, |most, x| most.max(x.abs()));
        for (found, expected) in output.values.iter().zip(&expected) {
            assert!(found.is_finite());
            worst = worst.max((f64::from(*found) - expected).abs() / largest);
        }
    }
    worst
}

#[test]
fn every_instruction_set_and_precision_agrees_with_the_plain_encoder() {
    for sketch in [BERT, MODERN] {
        let weights = model(sketch, 7);
        let batch = Random::new(1).batch(VOCABULARY, &[1, 33, 4, 90, 17, 2]);
        for isa in isas() {
            for (precision, tolerance) in [
                (Precision::F32, 1e-4),
                (Precision::Bf16, 0.05),
                (Precision::Int8, 0.1),
                (Precision::W8a8, 0.1),
            ] {
                let worst = difference(&weights, &encoder(&weights, precision, isa), &batch);
                println!("{isa} {precision:?} modern={}: {worst:.2e}", sketch.modern);
                assert!(worst < tolerance, "{isa} {precision:?} {sketch:?}: {worst}");
            }
        }
    }
}

/// The worst part of a sequence counts: with every kernel, and with candle.
#[test]
fn parts_of_sequences_agree_with_the_plain_encoder() {
    for (tokens, step) in [(5, 3), (4, 4), (7, 1), (1, 1), (200, 50)] {
        let mut weights = model(MODERN, 9);
        for head in &mut weights.heads[..2] {
            head.pooling = Pooling::Worst(Parts { tokens, step });
        }
        let batch = Random::new(3).batch(VOCABULARY, &[1, 33, 4, 90, 5, 6, 17, 2, 8]);
        for isa in isas() {
            let worst = difference(&weights, &encoder(&weights, Precision::F32, isa), &batch);
            assert!(worst < 1e-4, "{isa} {tokens} every {step}: {worst}");
        }
        let candle = CandleEncoder::new(&weights, crate::candle::Options::default()).unwrap();
        for (head, output) in candle.forward(&batch, &[0, 1]).unwrap().iter().enumerate() {
            let expected = reference::run(&weights, &batch, head);
            assert_eq!(output.values.len(), expected.len());
            for (found, expected) in output.values.iter().zip(&expected) {
                assert!(
                    (f64::from(*found) - expected).abs() < 1e-4,
                    "candle, head {head}"
                );
            }
        }
    }
}

#[test]
fn integers_of_the_file_are_taken_as_they_are() {
    let mut weights = model(MODERN, 3);
    let to_int8 = |matrix: &mut Matrix| {
        let scales: Vec<f32> = (0..matrix.rows)
            .map(|row| 0.002 + 1e-4 * row as f32)
            .collect();
        let values = matrix.to_f32();
        let values = values.iter().enumerate().map(|(at, value)| {
            (value / scales[at / matrix.columns])
                .round()
                .clamp(-127.0, 127.0) as i8
        });
        matrix.values = Values::Int8 {
            values: values.collect(),
            scales,
        };
    };
    to_int8(&mut weights.embeddings.words);
    for layer in weights
        .segments
        .iter_mut()
        .flat_map(|segment| &mut segment.layers)
    {
        for linear in [
            &mut layer.qkv,
            &mut layer.attention_out,
            &mut layer.up,
            &mut layer.down,
        ] {
            to_int8(&mut linear.weight);
        }
    }
    let batch = Random::new(5).batch(VOCABULARY, &[12, 40]);
    for isa in isas() {
        let full = difference(&weights, &encoder(&weights, Precision::F32, isa), &batch);
        assert!(full < 1e-4, "{isa}: {full}");
        // What is left is the rounding of activations.
        for precision in [Precision::Int8, Precision::W8a8] {
            let int8 = difference(&weights, &encoder(&weights, precision, isa), &batch);
            assert!(int8 < 0.05, "{isa} {precision}: {int8}");
        }
    }
}

#[test]
fn a_sequence_gets_what_it_gets_alone() {
    for (sketch, precision) in [
        (BERT, Precision::F32),
        (MODERN, Precision::F32),
        (MODERN, Precision::Int8),
        (MODERN, Precision::W8a8),
    ] {
        let weights = model(sketch, 11);
        let wanted: Vec<usize> = (0..weights.heads.len()).collect();
        // More than go through the layers together, so that there are two groups.
        let lengths = [3, 64, 1, 29, 90, 80, 17, 85];
        let batch = Random::new(2).batch(VOCABULARY, &lengths);
        assert!(batch.ids().len() > crate::native::GROUP);
        let best = isas()[0];
        let encoder = encoder(&weights, precision, best);
        let together = encoder.forward(&batch, &wanted).unwrap();
        for (index, range) in batch.ranges().enumerate() {
            let mut single = Packed::default();
            single.push(&batch.ids()[range.clone()]);
            for (output, alone) in together
                .iter()
                .zip(encoder.forward(&single, &wanted).unwrap())
            {
                let rows = if output.values.len() == batch.ids().len() * output.width {
                    range.clone()
                } else {
                    index..index + 1
                };
                let part = &output.values[rows.start * output.width..rows.end * output.width];
                for (a, b) in part.iter().zip(&alone.values) {
                    assert!((a - b).abs() < 2e-5, "{a} {b}");
                }
            }
        }
    }
}

#[test]
fn threads_change_nothing() {
    let weights = model(MODERN, 13);
    let wanted: Vec<usize> = (0..weights.heads.len()).collect();
    let batch = Random::new(3).batch(VOCABULARY, &[64, 90, 90, 5, 90]);
    for precision in Precision::ALL {
        let one = NativeEncoder::new(&weights, precision, Threads::caller()).unwrap();
        let expected = one.forward(&batch, &wanted).unwrap();
        for count in [2, 3] {
            let threads = Threads::new(count).unwrap();
            let several = NativeEncoder::new(&weights, precision, threads).unwrap();
            assert_eq!(several.forward(&batch, &wanted).unwrap(), expected);
        }
    }
}

#[test]
fn several_callers_may_call_at_once() {
    let weights = model(BERT, 17);
    let encoder = NativeEncoder::new(&weights, Precision::Int8, Threads::new(2).unwrap()).unwrap();
    let batches: Vec<Packed> = (0..4)
        .map(|seed| Random::new(seed).batch(VOCABULARY, &[10 + seed as usize * 20, 7]))
        .collect();
    let expected: Vec<_> = batches
        .iter()
        .map(|batch| encoder.forward(batch, &[0, 2]).unwrap())
        .collect();
    std::thread::scope(|scope| {
        for (batch, expected) in batches.iter().zip(&expected) {
            let encoder = &encoder;
            scope.spawn(move || {
                for _ in 0..20 {
                    assert_eq!(&encoder.forward(batch, &[0, 2]).unwrap(), expected);
                }
            });
        }
    });
}

#[test]
fn wanting_less_changes_nothing() {
    for sketch in [BERT, MODERN] {
        let weights = model(sketch, 19);
        let encoder = encoder(&weights, Precision::F32, isas()[0]);
        let batch = Random::new(4).batch(VOCABULARY, &[9, 30]);
        let wanted: Vec<usize> = (0..weights.heads.len()).collect();
        let all = encoder.forward(&batch, &wanted).unwrap();
        for subset in [vec![0], vec![5], vec![4, 0], vec![3, 2], vec![1, 1], vec![]] {
            let some = encoder.forward(&batch, &subset).unwrap();
            assert_eq!(some.len(), subset.len());
            for (output, head) in some.iter().zip(subset) {
                for (a, b) in output.values.iter().zip(&all[head].values) {
                    assert!((a - b).abs() < 1e-5, "head {head}: {a} {b}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_shape_agrees(
        modern: bool,
        head_width in 1usize..20,
        heads in 1usize..4,
        inner in 1usize..50,
        window in 0usize..40,
        activation in 0usize..4,
        lengths in prop::collection::vec(1usize..60, 1..4),
        seed in 0u64..1000,
    ) {
        let sketch = Sketch {
            modern,
            activation: [Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::GeGlu][activation],
            hidden: 2 * head_width * heads,
            heads,
            inner,
            window,
        };
        let weights = model(sketch, seed);
        let batch = Random::new(seed).batch(VOCABULARY, &lengths);
        for isa in isas() {
            let worst = difference(&weights, &encoder(&weights, Precision::F32, isa), &batch);
            prop_assert!(worst < 2e-4, "{isa} {sketch:?}: {worst}");
        }
    }
}
