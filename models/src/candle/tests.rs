#![allow(clippy::unwrap_used)]

use std::path::Path;

use candle_core::{Device, Tensor};
use proptest::prelude::*;

use super::*;
use crate::checkpoint::{self, read_dir};
use crate::rotary::Scaling;
use crate::weights::{Activation, Head as HeadWeights, Positions, Segment as SegmentWeights};

fn weights(name: &str) -> EncoderWeights {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/fixtures");
    read_dir(&fixtures.join(name), name, &checkpoint::Options::default())
        .unwrap()
        .weights
}

fn encoder(weights: &EncoderWeights) -> CandleEncoder {
    CandleEncoder::new(weights, Options::default()).unwrap()
}

/// Sequences of these lengths with some ids or other.
fn batch(lengths: &[usize]) -> Packed {
    let mut packed = Packed::default();
    for (index, length) in lengths.iter().enumerate() {
        let id = |place: usize| ((place * 7 + index * 13 + place * place) % 59 + 5) as u32;
        packed.push(&(0..*length).map(id).collect::<Vec<_>>());
    }
    packed
}

fn distance(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    let pairs = one.iter().zip(other);
    pairs
        .map(|(one, other)| (one - other).abs())
        .fold(0.0, f32::max)
}

fn values(weights: &EncoderWeights, batch: &Packed) -> Vec<f32> {
    let mut outputs = encoder(weights).forward(batch, &[0]).unwrap();
    outputs.remove(0).values
}

#[test]
fn gelu_is_the_exact_one() {
    let x: Vec<f32> = (-9_000..9_000).map(|step| step as f32 / 1_000.0).collect();
    let x = Tensor::new(x, &Device::Cpu).unwrap();
    let ours = gelu::gelu(&x).unwrap().to_vec1::<f32>().unwrap();
    let exact = x.gelu_erf().unwrap().to_vec1::<f32>().unwrap();
    assert!(distance(&ours, &exact) < 2e-6);
    let halves = x.reshape((1_000, 18)).unwrap();
    let gate = halves.narrow(1, 9, 9).unwrap();
    let exact = halves.narrow(1, 0, 9).unwrap().gelu_erf().unwrap() * gate;
    let exact = exact.unwrap().flatten_all().unwrap();
    let ours = gelu::geglu(&halves).unwrap().flatten_all().unwrap();
    let (ours, exact) = (ours.to_vec1().unwrap(), exact.to_vec1().unwrap());
    assert!(distance(&ours, &exact) < 2e-5);
}

/// A mistake of this kind in a reader or a layer would not pass the parity tests.
#[test]
fn small_mistakes_show() {
    let batch = batch(&[70, 12, 40]);
    let shows = |name: &str, change: fn(&mut EncoderWeights)| {
        let mut weights = weights(name);
        let right = values(&weights, &batch);
        change(&mut weights);
        let off = distance(&right, &values(&weights, &batch));
        assert!(off > 2e-4, "{name}: off by only {off}");
    };
    shows("distilbert-sequence", |weights| {
        weights.activation = Activation::GeluTanh;
    });
    shows("deberta-token", |weights| {
        weights.heads[0].stages[0].linear.bias = None;
    });
    shows("xlm-roberta-token", |weights| {
        weights.embeddings.first_position = 1;
    });
    shows("bert-sequence", |weights| {
        weights.embeddings.token_type = None
    });
    shows("modernbert-token", |weights| {
        if let Positions::Rotary { window, .. } = &mut weights.positions {
            *window += 1;
        }
    });
    shows("modernbert-sequence", |weights| {
        if let Positions::Rotary { local, .. } = &mut weights.positions {
            local.theta = 160_000.0;
        }
    });
    shows("modernbert-yarn-sequence", |weights| {
        if let Positions::Rotary { global, .. } = &mut weights.positions {
            global.scaling = Scaling::None;
        }
    });
    shows("modernbert-yarn-embedding", |weights| {
        if let Positions::Rotary { global, .. } = &mut weights.positions
            && let Scaling::Yarn(yarn) = &mut global.scaling
        {
            yarn.size = 1.0;
        }
    });
    shows("modernbert-token", |weights| {
        for layer in &mut weights.segments[0].layers {
            layer.down.bias = None;
        }
    });
    shows("deberta-sequence", |weights| {
        if let Positions::Disentangled(kind) = &mut weights.positions {
            kind.max_distance = 40;
        }
    });
}

#[test]
fn heads_share_segments() {
    let flat = weights("bert-embedding");
    let layers = &flat.segments[0].layers;
    let segment = |name: &str, parent, layer: usize| SegmentWeights {
        name: name.to_owned(),
        parent,
        layers: vec![layers[layer].clone()],
        final_norm: None,
    };
    let mut tree = flat.clone();
    // shared -> (left, right), and one that nobody wants.
    tree.segments = vec![
        segment("shared", None, 0),
        segment("left", Some(0), 1),
        segment("right", Some(0), 0),
        segment("unwanted", Some(1), 0),
    ];
    let head = |segment| HeadWeights {
        segment,
        ..flat.heads[0].clone()
    };
    tree.heads = vec![head(1), head(2), head(0)];
    let mut repeated = flat.clone();
    repeated.segments[0].layers[1] = layers[0].clone();
    let mut short = flat.clone();
    short.segments[0].layers.truncate(1);

    let batch = batch(&[5, 20, 5]);
    let tree = encoder(&tree);
    assert_eq!(tree.model.needed(&[0, 1]), [true, true, true, false]);
    assert_eq!(tree.model.needed(&[2]), [true, false, false, false]);
    let outputs = tree.forward(&batch, &[2, 0, 1, 0]).unwrap();
    let wanted = [&short, &flat, &repeated, &flat].map(|weights| values(weights, &batch));
    for (output, wanted) in outputs.iter().zip(&wanted) {
        assert!(distance(&output.values, wanted) < 1e-6);
    }
}

/// What a GPU gets, here on the CPU.
#[test]
fn gates_may_be_maps_of_their_own() {
    let batch = batch(&[80, 3, 40]);
    // The second one has biases.
    for name in ["modernbert-sequence", "modernbert-token"] {
        let weights = weights(name);
        let mut encoder = encoder(&weights);
        let together = encoder.forward(&batch, &[0]).unwrap().remove(0);
        let loader = load::Loader::new(&Device::Cpu, DType::F32).with_gates_apart();
        encoder.model = Model::load(&weights, &loader).unwrap();
        assert!(encoder.model.segments[0].layers[0].gate.is_some());
        let apart = encoder.forward(&batch, &[0]).unwrap().remove(0);
        assert!(distance(&together.values, &apart.values) < 1e-5, "{name}");
    }
}

#[test]
fn long_sequences_go_in_strips() {
    let batch = batch(&[80, 80, 79]);
    for name in ["modernbert-sequence", "bert-sequence"] {
        let mut encoder = encoder(&weights(name));
        let whole = encoder.forward(&batch, &[0]).unwrap().remove(0);
        encoder.model.shape.max_scores = 1;
        let strips = encoder.forward(&batch, &[0]).unwrap().remove(0);
        assert!(distance(&whole.values, &strips.values) < 1e-5, "{name}");
    }
}

/// Halves run everywhere, and give about the same: no table or mask is left in 32 bits.
#[test]
fn halves_are_near() {
    let batch = batch(&[70, 12, 40, 80]);
    for name in [
        "bert-sequence",
        "distilbert-token",
        "modernbert-token",
        "modernbert-embedding",
        "modernbert-yarn-sequence",
        "deberta-sequence",
    ] {
        let weights = weights(name);
        let whole = values(&weights, &batch);
        let size = whole
            .iter()
            .fold(0.0_f32, |size, value| size.max(value.abs()));
        for (precision, most) in [(Precision::F16, 0.02), (Precision::Bf16, 0.15)] {
            let options = Options {
                precision,
                padding: Some(0.9),
                ..Options::default()
            };
            let encoder = CandleEncoder::new(&weights, options).unwrap();
            let halves = encoder.forward(&batch, &[0]).unwrap().remove(0).values;
            let off = distance(&whole, &halves) / size;
            assert!(
                off < most && off > 0.0,
                "{name} {precision:?}: off by {off}"
            );
        }
    }
}

#[test]
fn groups_keep_padding_below_what_is_allowed() {
    let batch = batch(&[7, 64, 60, 7, 8, 33, 64]);
    let sizes = |padding, max_scores| -> Vec<(usize, usize)> {
        let plan = Plan::new(&batch, padding, max_scores, &Device::Cpu).unwrap();
        let size = |group: &group::Group| (group.sequences, group.longest);
        plan.groups.iter().map(size).collect()
    };
    let most = usize::MAX;
    assert_eq!(
        sizes(0.0, most),
        [(2, 64), (1, 60), (1, 33), (1, 8), (2, 7)]
    );
    assert_eq!(sizes(0.1, most), [(3, 64), (1, 33), (3, 8)]);
    assert_eq!(sizes(1.0, most), [(7, 64)]);
    assert_eq!(sizes(1.0, 2 * 64 * 64), [(2, 64), (2, 60), (3, 8)]);
    assert_eq!(sizes(1.0, 1).len(), 7);
}

#[test]
fn deberta_buckets_are_those_of_transformers() {
    #[derive(serde::Deserialize)]
    struct Table {
        buckets: usize,
        max_distance: usize,
        bucket: Vec<i64>,
    }
    let table: Table =
        serde_json::from_str(include_str!("../../parity/fixtures/deberta-buckets.json")).unwrap();
    assert_eq!(
        attention::bucket_table(table.buckets, table.max_distance, table.bucket.len()),
        table.bucket
    );
}

#[test]
fn what_cannot_run_is_refused() {
    let encoder = encoder(&weights("bert-sequence"));
    let reason = |packed: &Packed, wanted: &[usize]| match encoder.forward(packed, wanted) {
        Err(ModelError::Infer(reason)) => reason,
        other => panic!("expected an error, got {other:?}"),
    };
    let mut packed = Packed::default();
    packed.push(&[2, 64]);
    assert_eq!(
        reason(&packed, &[0]),
        "token 64 is outside the vocabulary of 64"
    );
    assert_eq!(
        reason(&batch(&[3, 81]), &[0]),
        "a sequence has 81 tokens, the model takes 80"
    );
    assert_eq!(reason(&batch(&[3]), &[1]), "there is no head 1");
    let nothing = encoder.forward(&Packed::default(), &[0]).unwrap();
    assert_eq!((nothing[0].width, nothing[0].values.len()), (3, 0));
}

#[test]
#[cfg(not(feature = "cuda"))]
fn a_device_that_is_not_there_is_an_error_of_loading() {
    let options = Options {
        place: Place::Cuda(0),
        ..Options::default()
    };
    let error = CandleEncoder::new(&weights("bert-sequence"), options).unwrap_err();
    assert!(matches!(error, ModelError::Load { model, .. } if model == "bert-sequence"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever else is in a batch, and however much padding is allowed, a sequence gets what it gets alone.
    #[test]
    fn a_batch_is_its_sequences(
        lengths in prop::collection::vec(1_usize..=80, 1..9),
        padding in 0.0..1.0_f64,
        model in prop::sample::select(vec!["modernbert-token", "deberta-token", "bert-token"]),
    ) {
        let weights = weights(model);
        let options = Options { padding: Some(padding), ..Options::default() };
        let encoder = CandleEncoder::new(&weights, options).unwrap();
        let batch = batch(&lengths);
        let together = encoder.forward(&batch, &[0]).unwrap().remove(0);
        for range in batch.ranges() {
            let mut one = Packed::default();
            one.push(&batch.ids()[range.clone()]);
            let alone = encoder.forward(&one, &[0]).unwrap().remove(0);
            let width = together.width;
            let part = &together.values[range.start * width..range.end * width];
            prop_assert!(distance(part, &alone.values) < 2e-5);
        }
    }
}
