#![allow(clippy::unwrap_used)]

mod blocks;
mod bundle;
mod make;

use std::path::Path;

use safetensors::tensor::Dtype;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Checkpoint, Options, read_dir};
use crate::ModelError;
use crate::encoder::Task;
use crate::weights::{Pooling, Then, Values};
use make::*;

fn options() -> Options {
    Options::default()
}

fn read(dir: &Path) -> Checkpoint {
    read_dir(dir, "model", &options()).unwrap()
}

/// The reason why `dir` cannot be read.
fn reason(dir: &Path) -> String {
    match read_dir(dir, "model", &options()) {
        Err(ModelError::Load { model, reason }) => {
            assert_eq!(model, "model");
            reason
        }
        other => panic!("expected an error of loading, got {other:?}"),
    }
}

/// The reason why a BERT with these changes cannot be read.
fn bert_reason(change: impl FnOnce(&mut Value, &mut Raws)) -> String {
    let dir = TempDir::new().unwrap();
    let (mut config, mut raws) = bert();
    change(&mut config, &mut raws);
    write_checkpoint(dir.path(), &config, &raws);
    reason(dir.path())
}

/// A BERT with these changes.
fn bert_with(change: impl FnOnce(&mut Value, &mut Raws, &Path)) -> Checkpoint {
    let dir = TempDir::new().unwrap();
    let (mut config, mut raws) = bert();
    change(&mut config, &mut raws, dir.path());
    write_checkpoint(dir.path(), &config, &raws);
    read(dir.path())
}

fn labels(checkpoint: &Checkpoint) -> Vec<&str> {
    let head = &checkpoint.weights.heads[0];
    head.info.labels.iter().map(String::as_str).collect()
}

#[test]
fn a_bert_becomes_one_segment_and_one_head() {
    let dir = TempDir::new().unwrap();
    let (config, raws) = bert();
    write_checkpoint(dir.path(), &config, &raws);
    let checkpoint = read(dir.path());
    assert_eq!(checkpoint.tokenizer, dir.path().join("tokenizer.json"));
    let weights = &checkpoint.weights;
    assert_eq!((weights.hidden, weights.max_tokens), (HIDDEN, POSITIONS));
    assert_eq!(weights.segments.len(), 1);
    let layer = &weights.segments[0].layers[1];
    let name = "bert.encoder.layer.1.attention.self.key";
    let size = HIDDEN * HIDDEN;
    assert_eq!(
        layer.qkv.weight.to_f32()[size..2 * size],
        numbers(&format!("{name}.weight"), size)
    );
    assert_eq!(
        layer.qkv.bias.as_ref().unwrap()[HIDDEN..2 * HIDDEN],
        numbers(&format!("{name}.bias"), HIDDEN)
    );
    let head = &weights.heads[0];
    assert_eq!(head.info.name, "model");
    assert_eq!((head.info.task, head.info.width), (Task::Sequence, 3));
    assert_eq!(
        (head.pooling, head.stages[0].then),
        (Pooling::First, Then::Tanh)
    );
    assert_eq!(labels(&checkpoint), ["a", "b", "c"]);
}

#[test]
fn tensors_may_lack_the_prefix_and_have_old_names() {
    let checkpoint = bert_with(|_, raws, _| {
        *raws = std::mem::take(raws)
            .into_iter()
            .map(|(name, raw)| {
                let name = name.trim_start_matches("bert.");
                let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
                (name.replace("LayerNorm.bias", "LayerNorm.beta"), raw)
            })
            .collect();
    });
    let norm = checkpoint.weights.embeddings.norm.unwrap();
    assert_eq!(
        norm.weight,
        numbers("bert.embeddings.LayerNorm.weight", HIDDEN)
    );
    assert_eq!(
        norm.bias.unwrap(),
        numbers("bert.embeddings.LayerNorm.bias", HIDDEN)
    );
}

#[test]
fn halves_and_bytes_are_read() {
    let checkpoint = bert_with(|_, raws, _| {
        for (name, dtype) in [("query", Dtype::F16), ("key", Dtype::BF16)] {
            let name = format!("bert.encoder.layer.0.attention.self.{name}.weight");
            let values = numbers(&name, HIDDEN * HIDDEN);
            let bits = |value: &f32| match dtype {
                Dtype::F16 => half::f16::from_f32(*value).to_bits(),
                _ => half::bf16::from_f32(*value).to_bits(),
            };
            let raw = raws.get_mut(&name).unwrap();
            raw.bytes = values
                .iter()
                .flat_map(|value| bits(value).to_le_bytes())
                .collect();
            raw.dtype = dtype;
        }
        quantise(raws, "bert.encoder.layer.0.attention.self.value.weight");
        for part in ["query", "key", "value"] {
            quantise(
                raws,
                &format!("bert.encoder.layer.1.attention.self.{part}.weight"),
            );
        }
    });
    let layers = &checkpoint.weights.segments[0].layers;
    let read = layers[0].qkv.weight.to_f32();
    let size = HIDDEN * HIDDEN;
    for (index, (part, most)) in [("query", 3e-4), ("key", 2e-3), ("value", 2e-3)]
        .iter()
        .enumerate()
    {
        let name = format!("bert.encoder.layer.0.attention.self.{part}.weight");
        for (found, wanted) in read[index * size..].iter().zip(numbers(&name, size)) {
            assert!((found - wanted).abs() <= *most, "{part}: {found} {wanted}");
        }
    }
    // Three 8-bit matrices stay 8-bit matrices when they are stacked.
    assert!(matches!(layers[1].qkv.weight.values, Values::Int8 { .. }));
}

#[test]
fn shards_are_read() {
    let checkpoint = bert_with(|_, raws, dir| {
        let (one, two): (Raws, Raws) = std::mem::take(raws)
            .into_iter()
            .partition(|(name, _)| name.contains("layer.0"));
        write_tensors(&dir.join("model-00001-of-00002.safetensors"), &one);
        write_tensors(&dir.join("model-00002-of-00002.safetensors"), &two);
        let mut map = json!({});
        for (file, raws) in [("1", &one), ("2", &two)] {
            for name in raws.keys() {
                map[name] = json!(format!("model-0000{file}-of-00002.safetensors"));
            }
        }
        write_json(
            dir,
            "model.safetensors.index.json",
            &json!({"weight_map": map}),
        );
    });
    assert_eq!(labels(&checkpoint), ["a", "b", "c"]);
}

#[test]
fn labels_come_from_wherever_they_are() {
    let cases = [
        (
            json!({"label2id": {"z": 0, "y": 1, "x": 2}}),
            ["z", "y", "x"],
        ),
        (
            json!({"label2id": {"z": "0", "y": "1", "x": "2"}}),
            ["z", "y", "x"],
        ),
        (json!({}), ["LABEL_0", "LABEL_1", "LABEL_2"]),
    ];
    for (fields, wanted) in cases {
        let checkpoint = bert_with(|config, _, _| {
            config.as_object_mut().unwrap().remove("id2label");
            for (field, value) in fields.as_object().unwrap() {
                config[field] = value.clone();
            }
        });
        assert_eq!(labels(&checkpoint), wanted);
    }
}

#[test]
fn the_peers_mapping_files_win() {
    let forward = json!({"0": "law", "1": "math", "2": "other"});
    let cases = [
        ("category_mapping.json", json!({"idx_to_category": forward})),
        (
            "category_mapping.json",
            json!({"category_to_idx": {"math": 1, "other": 2, "law": 0}}),
        ),
        (
            "jailbreak_type_mapping.json",
            json!({"label_to_idx": {}, "id_to_label": forward}),
        ),
    ];
    for (file, mapping) in cases {
        let checkpoint = bert_with(|_, _, dir| write_json(dir, file, &mapping));
        assert_eq!(labels(&checkpoint), ["law", "math", "other"], "{file}");
    }
    let checkpoint = bert_with(|config, _, dir| {
        config["architectures"] = json!(["BertForTokenClassification"]);
        let mapping = json!({"label_to_idx": {"O": 0, "B-AGE": 1, "I-AGE": 2}});
        write_json(dir, "pii_type_mapping.json", &mapping);
        write_json(dir, "category_mapping.json", &json!({}));
    });
    assert_eq!(labels(&checkpoint), ["O", "B-AGE", "I-AGE"]);
    let head = &checkpoint.weights.heads[0];
    assert_eq!((head.pooling, head.stages.len()), (Pooling::None, 1));
}

#[test]
fn sentence_transformers_folders_say_how_to_pool() {
    let embedder = |mode: Option<Value>| {
        bert_with(|config, raws, dir| {
            config["architectures"] = json!(["BertModel"]);
            raws.retain(|name, _| !name.starts_with("classifier"));
            let Some(mode) = mode else { return };
            let kinds = [
                ("", "Transformer"),
                ("1_Pooling", "Pooling"),
                ("2_Normalize", "Normalize"),
            ];
            let modules: Vec<Value> = kinds
                .iter()
                .map(|(path, kind)| json!({"path": path, "type": format!("sentence_transformers.models.{kind}")}))
                .collect();
            write_json(dir, "modules.json", &json!(modules));
            write_json(
                dir,
                "sentence_bert_config.json",
                &json!({"max_seq_length": 12}),
            );
            std::fs::create_dir(dir.join("1_Pooling")).unwrap();
            write_json(&dir.join("1_Pooling"), "config.json", &mode);
        })
    };
    let cases = [
        (None, Pooling::Mean, POSITIONS),
        (
            Some(json!({"pooling_mode_mean_tokens": true})),
            Pooling::Mean,
            12,
        ),
        (
            Some(json!({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false})),
            Pooling::First,
            12,
        ),
        (Some(json!({"pooling_mode": "cls"})), Pooling::First, 12),
    ];
    for (mode, pooling, most) in cases {
        let checkpoint = embedder(mode);
        let head = &checkpoint.weights.heads[0];
        assert_eq!(head.info.task, Task::Embedding);
        assert_eq!((head.pooling, head.info.width), (pooling, HIDDEN));
        assert_eq!(checkpoint.weights.max_tokens, most);
    }
}

#[test]
fn the_callers_task_counts_more_than_the_files() {
    let dir = TempDir::new().unwrap();
    let (config, raws) = bert();
    write_checkpoint(dir.path(), &config, &raws);
    let task = Some(Task::Embedding);
    let checkpoint = read_dir(dir.path(), "model", &Options { task }).unwrap();
    assert_eq!(checkpoint.weights.heads[0].info.task, Task::Embedding);
}

#[test]
fn complaints_about_tensors_name_file_and_tensor() {
    let reason = bert_reason(|_, raws| {
        raws.remove("bert.encoder.layer.1.output.dense.bias");
    });
    assert_eq!(
        reason,
        "model.safetensors: tensor `bert.encoder.layer.1.output.dense.bias` is missing"
    );
    let reason = bert_reason(|_, raws| add(raws, "bert.pooler.dense.weight", &[HIDDEN, 3]));
    assert_eq!(
        reason,
        "model.safetensors: tensor `bert.pooler.dense.weight` has the shape [8, 3] where [8, 8] is needed"
    );
    let reason = bert_reason(|_, raws| {
        let raw = raws.get_mut("classifier.bias").unwrap();
        raw.dtype = Dtype::I32;
    });
    assert_eq!(
        reason,
        "model.safetensors: tensor `classifier.bias` holds I32; F32, F16, BF16, and I8 or 4 bits with scales are read"
    );
    let reason = bert_reason(|config, _| config["num_hidden_layers"] = json!(3));
    assert_eq!(
        reason,
        "model.safetensors: tensor `bert.encoder.layer.2.attention.output.LayerNorm.weight` is missing"
    );
}

#[test]
fn complaints_about_config_name_the_field() {
    let cases = [
        (
            "hidden_size",
            json!(null),
            "config.json: `hidden_size` is missing",
        ),
        (
            "hidden_size",
            json!("8"),
            "config.json: `hidden_size` is \"8\", which is no sensible size",
        ),
        (
            "vocab_size",
            json!(-1),
            "config.json: `vocab_size` is -1, which is no sensible size",
        ),
        (
            "num_attention_heads",
            json!(3),
            "config.json: `num_attention_heads` is 3, which does not divide `hidden_size` 8",
        ),
        (
            "hidden_act",
            json!("silu"),
            "config.json: `hidden_act` is \"silu\"; run are gelu, gelu_new, gelu_pytorch_tanh, relu",
        ),
        (
            "model_type",
            json!("t5"),
            "config.json: `model_type` is \"t5\"; read are bert, roberta, xlm-roberta, camembert, distilbert, \
             modernbert, deberta-v2",
        ),
        (
            "architectures",
            json!(["BertForPreTraining"]),
            "config.json: `architectures` does not say what the model is for; say the task: sequence, token or \
             embedding",
        ),
        (
            "problem_type",
            json!("multi_label_classification"),
            "config.json: `problem_type` is \"multi_label_classification\"; only single_label_classification is run",
        ),
        (
            "position_embedding_type",
            json!("relative_key"),
            "config.json: `position_embedding_type` is \"relative_key\"; only absolute is run",
        ),
        (
            "is_decoder",
            json!(true),
            "config.json: `is_decoder` is true; only encoders are run",
        ),
        (
            "id2label",
            json!({"0": "a", "1": "b"}),
            "config.json names 2 labels, the classifier's weight has 3 rows",
        ),
        (
            "id2label",
            json!({"0": "a", "1": "b", "3": "c"}),
            "config.json: `id2label` skips or repeats a number; 0, 1, 2… are needed",
        ),
    ];
    for (field, value, wanted) in cases {
        assert_eq!(bert_reason(|config, _| config[field] = value), wanted);
    }
}

/// The reason why the fixture `name` with these changes to its configuration cannot be read.
fn fixture_reason(name: &str, change: impl FnOnce(&mut Value)) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/fixtures");
    let dir = TempDir::new().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(fixtures.join(name).join(file), dir.path().join(file)).unwrap();
    }
    let text = std::fs::read(dir.path().join("config.json")).unwrap();
    let mut config = serde_json::from_slice(&text).unwrap();
    change(&mut config);
    write_json(dir.path(), "config.json", &config);
    reason(dir.path())
}

#[test]
fn complaints_about_variants_that_are_not_run() {
    let modern = |field: &str, value: Value| {
        fixture_reason("modernbert-sequence", |config| config[field] = value)
    };
    assert_eq!(
        modern("layer_types", json!(["full_attention"])),
        "config.json: `layer_types` does not say full_attention or sliding_attention for each layer"
    );
    assert_eq!(
        modern("rope_scaling", json!({"type": "dynamic", "factor": 4.0})),
        "config.json: `rope_scaling.type` is \"dynamic\"; run are default, linear, llama3 and yarn"
    );
    assert_eq!(
        modern("classifier_pooling", json!("max")),
        "config.json: `classifier_pooling` is \"max\"; run are cls and mean"
    );
    let deberta = |field: &str, value: Value| {
        fixture_reason("deberta-sequence", |config| config[field] = value)
    };
    assert_eq!(
        deberta("share_att_key", json!(false)),
        "config.json: `share_att_key` is not true; nothing else is run"
    );
    assert_eq!(
        deberta("conv_kernel_size", json!(3)),
        "config.json: `conv_kernel_size` asks for a convolution, which is not run"
    );
    assert_eq!(
        deberta("position_buckets", json!(32)),
        "model.safetensors: tensor `deberta.encoder.rel_embeddings.weight` has the shape [32, 32] where [64, 32] is \
         needed"
    );
}

#[test]
fn complaints_about_files_name_them() {
    let dir = TempDir::new().unwrap();
    let (config, raws) = bert();
    assert_eq!(reason(dir.path()), "config.json is missing");
    std::fs::write(dir.path().join("config.json"), "{\"model_type\": ").unwrap();
    assert_eq!(
        reason(dir.path()),
        "config.json is not the JSON that it should be: EOF while parsing a value at line 1 column 15"
    );
    write_checkpoint(dir.path(), &config, &raws);
    std::fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    assert!(reason(dir.path()).starts_with("tokenizer.json is missing; write it with"));

    let file = dir.path().join("model.safetensors");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let (has, wanted) = (whole.len() - 1, whole.len());
    assert_eq!(
        reason(dir.path()),
        format!(
            "model.safetensors is not a whole safetensors file: it should have {wanted} bytes and has {has}"
        )
    );
    std::fs::write(&file, &whole[..100]).unwrap();
    assert!(reason(dir.path()).contains("not a whole safetensors file: its header should have"));
    std::fs::write(&file, b"PK").unwrap();
    assert!(reason(dir.path()).ends_with("it has only 2 bytes"));

    std::fs::remove_file(&file).unwrap();
    assert!(reason(dir.path()).starts_with("model.safetensors is missing"));
    std::fs::write(dir.path().join("pytorch_model.bin"), "PK").unwrap();
    assert!(
        reason(dir.path()).starts_with("only pytorch_model.bin is there, and pickles are not read")
    );

    let index = json!({"weight_map": {"a": "../../secret.safetensors"}});
    write_json(dir.path(), "model.safetensors.index.json", &index);
    assert_eq!(
        reason(dir.path()),
        "model.safetensors.index.json: `weight_map` names \"../../secret.safetensors\", not a file beside it"
    );
    let nowhere = dir.path().join("nowhere");
    assert!(reason(&nowhere).starts_with("there is no directory"));
}

proptest::proptest! {
    /// Whatever the bytes are, there is an answer and no panic.
    #[test]
    fn damaged_files_are_refused_or_read(place in 0_usize..4096, bits in 1_u8..) {
        let dir = TempDir::new().unwrap();
        let (config, raws) = bert();
        write_checkpoint(dir.path(), &config, &raws);
        for file in ["model.safetensors", "config.json"] {
            let path = dir.path().join(file);
            let whole = std::fs::read(&path).unwrap();
            let mut damaged = whole.clone();
            let place = place % damaged.len();
            damaged[place] ^= bits;
            std::fs::write(&path, &damaged).unwrap();
            let _ = read_dir(dir.path(), "model", &options());
            std::fs::write(&path, &whole).unwrap();
        }
    }
}
