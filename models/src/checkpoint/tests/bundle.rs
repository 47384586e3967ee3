//! The bundle is read, and only a whole one.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::make::*;
use super::{read, reason};
use crate::candle::{CandleEncoder, Options};
use crate::checkpoint::{HeadSettings, Window};
use crate::encoder::{Encoder, Packed, Task};
use crate::weights::{Parts, Pooling, Then, Values};

#[test]
fn it_becomes_a_tree_with_heads_and_settings() {
    let dir = TempDir::new().unwrap();
    write_bundle(dir.path());
    let checkpoint = read(dir.path());
    assert_eq!(checkpoint.revision.as_deref(), Some("0123456789ab"));
    assert_eq!(checkpoint.tokenizer, dir.path().join("tokenizer.json"));
    let weights = &checkpoint.weights;
    let tree: Vec<_> = weights
        .segments
        .iter()
        .map(|segment| (&*segment.name, segment.parent, segment.layers.len()))
        .collect();
    assert_eq!(
        tree,
        [
            ("shared", None, 1),
            ("domain", Some(0), 1),
            ("pii", None, 2)
        ]
    );
    assert!(matches!(
        weights.embeddings.words.values,
        Values::Int8 { .. }
    ));
    assert!(matches!(
        weights.segments[2].layers[1].qkv.weight.values,
        Values::Int8 { .. }
    ));
    let heads: Vec<_> = weights
        .heads
        .iter()
        .map(|head| {
            (
                &*head.info.name,
                head.info.task,
                head.segment,
                head.pooling,
                head.info.width,
            )
        })
        .collect();
    assert_eq!(
        heads,
        [
            ("embedding", Task::Embedding, 0, Pooling::Mean, HIDDEN),
            ("domain", Task::Sequence, 1, Pooling::First, 2),
            ("pii", Task::Token, 2, Pooling::None, 3),
        ]
    );
    assert_eq!(weights.heads[1].stages[0].then, Then::Tanh);
    assert_eq!(
        checkpoint.settings[1],
        HeadSettings {
            temperature: 1.5,
            threshold: Some(0.5),
            window: Some(Window {
                tokens: 16,
                overlap: 4
            }),
            ..HeadSettings::default()
        }
    );
    assert_eq!(checkpoint.settings[2].thresholds["AGE"], 0.25);
}

#[test]
fn files_must_be_as_the_manifest_says() {
    let dir = TempDir::new().unwrap();
    write_bundle(dir.path());
    let path = dir.path().join("pii.safetensors");
    let whole = std::fs::read(&path).unwrap();
    let mut other = whole.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    std::fs::write(&path, &other).unwrap();
    assert!(reason(dir.path()).starts_with("pii.safetensors: has the SHA-256 "));
    std::fs::write(&path, &whole[..last]).unwrap();
    let (has, wanted) = (last, whole.len());
    assert_eq!(
        reason(dir.path()),
        format!("pii.safetensors: has {has} bytes, the manifest says {wanted}")
    );
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        reason(dir.path()),
        "pii.safetensors is missing, the manifest names it"
    );
}

#[test]
fn complaints_name_the_field() {
    let cases: [(&str, Value, &str); 14] = [
        ("/format", json!(2), "`format` is not 1, the one read here"),
        (
            "/config/model_type",
            json!("roberta"),
            "`config.model_type` is not \"bert\"",
        ),
        (
            "/tokenizer",
            json!("other.json"),
            "`files` does not list other.json",
        ),
        (
            "/segments/1/parent",
            json!("pii"),
            "`segments.domain.parent` is \"pii\", which does not stand before it",
        ),
        (
            "/segments/1/name",
            json!("shared"),
            "`segments.shared.name` is there twice",
        ),
        (
            "/heads/1/name",
            json!("embedding"),
            "`heads.embedding.name` is there twice",
        ),
        (
            "/heads/1/segment",
            json!("x"),
            "`heads.domain.segment` is \"x\", which is no segment",
        ),
        (
            "/heads/1/labels",
            json!(["x"]),
            "`heads.domain.labels` names 1 labels, the last stage has 2 outputs",
        ),
        (
            "/heads/1/labels",
            json!(["x", "x"]),
            "`heads.domain.labels` names a label twice",
        ),
        (
            "/heads/1/temperature",
            json!(0),
            "`heads.domain.temperature` is not above 0",
        ),
        (
            "/heads/1/threshold",
            json!(1.5),
            "`heads.domain.threshold` is not between 0 and 1",
        ),
        (
            "/heads/1/window",
            json!({"tokens": 17, "overlap": 4}),
            "`heads.domain.window` does not fit: 4 to 16 tokens, and less overlap",
        ),
        (
            "/heads/2/pooling",
            json!("mean"),
            "`heads.pii.pooling` must be \"none\" for tokens, and only there",
        ),
        (
            "/heads/2/thresholds",
            json!({"EGA": 0.5}),
            "`heads.pii.thresholds.EGA` is for a label that the head does not have",
        ),
    ];
    let dir = TempDir::new().unwrap();
    let manifest = write_bundle(dir.path());
    for (pointer, value, wanted) in cases {
        let mut changed = manifest.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        write_json(dir.path(), "manifest.json", &changed);
        assert_eq!(
            reason(dir.path()),
            format!("manifest.json: {wanted}"),
            "{pointer}"
        );
    }
    for outside in ["../x", "/etc/passwd", ""] {
        let mut changed = manifest.clone();
        changed["files"][outside] = json!({"sha256": "", "bytes": 1});
        write_json(dir.path(), "manifest.json", &changed);
        let wanted = format!("`files` names \"{outside}\", which is not below the bundle");
        assert_eq!(reason(dir.path()), format!("manifest.json: {wanted}"));
    }
    std::fs::write(dir.path().join("manifest.json"), "{").unwrap();
    assert!(reason(dir.path()).starts_with("manifest.json is not the JSON that it should be"));
}

#[test]
fn parts_belong_to_worst_pooling() {
    let dir = TempDir::new().unwrap();
    let manifest = write_bundle(dir.path());
    let read_with = |pooling: &str, parts: Value| {
        let mut changed = manifest.clone();
        changed["heads"][1]["pooling"] = json!(pooling);
        changed["heads"][1]["parts"] = parts;
        write_json(dir.path(), "manifest.json", &changed);
    };
    let good = json!({"tokens": 4, "step": 2});
    read_with("worst", good.clone());
    let parts = Parts { tokens: 4, step: 2 };
    assert_eq!(
        read(dir.path()).weights.heads[1].pooling,
        Pooling::Worst(parts)
    );
    for (pooling, parts, wanted) in [
        ("worst", Value::Null, "is missing for worst pooling"),
        (
            "worst",
            json!({"tokens": 4, "step": 0}),
            "needs a step of 1 to its tokens",
        ),
        (
            "worst",
            json!({"tokens": 4, "step": 5}),
            "needs a step of 1 to its tokens",
        ),
        ("mean", good, "is for worst pooling alone"),
    ] {
        read_with(pooling, parts);
        let wanted = format!("manifest.json: `heads.domain.parts` {wanted}");
        assert_eq!(reason(dir.path()), wanted);
    }
}

#[test]
fn complaints_name_the_tensor() {
    let dir = TempDir::new().unwrap();
    let mut manifest = write_bundle(dir.path());
    manifest["segments"][0]["layers"] = json!(2);
    write_json(dir.path(), "manifest.json", &manifest);
    assert_eq!(
        reason(dir.path()),
        "shared.safetensors: tensor `shared.layer.1.attention.output.LayerNorm.weight` is missing"
    );
}

#[test]
fn it_runs() {
    let dir = TempDir::new().unwrap();
    write_bundle(dir.path());
    let checkpoint = read(dir.path());
    let encoder = CandleEncoder::new(&checkpoint.weights, Options::default()).unwrap();
    let mut batch = Packed::default();
    batch.push(&[1, 2, 3, 4]);
    batch.push(&[5, 6]);
    let outputs = encoder.forward(&batch, &[2, 0, 1]).unwrap();
    let sizes: Vec<_> = outputs
        .iter()
        .map(|output| (output.width, output.values.len() / output.width))
        .collect();
    assert_eq!(sizes, [(3, 6), (HIDDEN, 2), (2, 2)]);
    for row in 0..2 {
        let length: f32 = outputs[1].row(row).iter().map(|value| value * value).sum();
        assert!((length - 1.0).abs() < 1e-5);
    }

    // 8-bit matrices stand for the numbers that they were made of.
    let mut whole = checkpoint.weights.clone();
    whole.embeddings.words.values = Values::F32(whole.embeddings.words.to_f32());
    for layer in whole
        .segments
        .iter_mut()
        .flat_map(|segment| &mut segment.layers)
    {
        for linear in [&mut layer.qkv, &mut layer.up, &mut layer.down] {
            linear.weight.values = Values::F32(linear.weight.to_f32());
        }
    }
    let whole = CandleEncoder::new(&whole, Options::default()).unwrap();
    assert_eq!(whole.forward(&batch, &[2, 0, 1]).unwrap(), outputs);
}
