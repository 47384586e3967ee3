//! Writes tiny checkpoints for the tests of the readers.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(super) const HIDDEN: usize = 8;
pub(super) const INNER: usize = 12;
pub(super) const VOCABULARY: usize = 11;
pub(super) const POSITIONS: usize = 16;

/// A tensor as it lies in a file.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: Vec<u8>,
}

pub(super) type Raws = BTreeMap<String, Raw>;

/// Numbers that differ from tensor to tensor and from place to place.
pub(super) fn numbers(name: &str, count: usize) -> Vec<f32> {
    let seed = name.bytes().fold(7_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    (0..count)
        .map(|index| {
            let mixed = (index as u32)
                .wrapping_add(seed)
                .wrapping_mul(2_654_435_761);
            (mixed >> 16) as f32 / 65_536.0 - 0.5
        })
        .collect()
}

pub(super) fn f32s(values: &[f32], shape: &[usize]) -> Raw {
    Raw {
        dtype: Dtype::F32,
        shape: shape.to_vec(),
        bytes: values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
    }
}

pub(super) fn add(raws: &mut Raws, name: &str, shape: &[usize]) {
    let raw = f32s(&numbers(name, shape.iter().product()), shape);
    raws.insert(name.to_owned(), raw);
}

pub(super) fn add_linear(raws: &mut Raws, name: &str, rows: usize, columns: usize) {
    add(raws, &format!("{name}.weight"), &[rows, columns]);
    add(raws, &format!("{name}.bias"), &[rows]);
}

pub(super) fn add_norm(raws: &mut Raws, name: &str) {
    add(raws, &format!("{name}.weight"), &[HIDDEN]);
    add(raws, &format!("{name}.bias"), &[HIDDEN]);
}

pub(super) fn embeddings(prefix: &str) -> Raws {
    let mut raws = Raws::new();
    let name = |part: &str| format!("{prefix}embeddings.{part}");
    add(
        &mut raws,
        &name("word_embeddings.weight"),
        &[VOCABULARY, HIDDEN],
    );
    add(
        &mut raws,
        &name("position_embeddings.weight"),
        &[POSITIONS, HIDDEN],
    );
    add(
        &mut raws,
        &name("token_type_embeddings.weight"),
        &[2, HIDDEN],
    );
    add_norm(&mut raws, &name("LayerNorm"));
    raws
}

pub(super) fn layer(raws: &mut Raws, name: &str) {
    for part in ["query", "key", "value"] {
        add_linear(
            raws,
            &format!("{name}.attention.self.{part}"),
            HIDDEN,
            HIDDEN,
        );
    }
    add_linear(
        raws,
        &format!("{name}.attention.output.dense"),
        HIDDEN,
        HIDDEN,
    );
    add_norm(raws, &format!("{name}.attention.output.LayerNorm"));
    add_linear(raws, &format!("{name}.intermediate.dense"), INNER, HIDDEN);
    add_linear(raws, &format!("{name}.output.dense"), HIDDEN, INNER);
    add_norm(raws, &format!("{name}.output.LayerNorm"));
}

/// A BERT of two layers that sorts texts into three classes.
pub(super) fn bert() -> (Value, Raws) {
    let config = json!({
        "architectures": ["BertForSequenceClassification"], "model_type": "bert", "hidden_size": HIDDEN,
        "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": INNER, "hidden_act": "gelu",
        "layer_norm_eps": 1e-12, "max_position_embeddings": POSITIONS, "vocab_size": VOCABULARY,
        "type_vocab_size": 2, "id2label": {"0": "a", "1": "b", "2": "c"},
    });
    let mut raws = embeddings("bert.");
    for index in 0..2 {
        layer(&mut raws, &format!("bert.encoder.layer.{index}"));
    }
    add_linear(&mut raws, "bert.pooler.dense", HIDDEN, HIDDEN);
    add_linear(&mut raws, "classifier", 3, HIDDEN);
    (config, raws)
}

pub(super) fn write_tensors(path: &Path, raws: &Raws) {
    let views = raws.iter().map(|(name, raw)| {
        let view = TensorView::new(raw.dtype, raw.shape.clone(), &raw.bytes).unwrap();
        (name, view)
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

pub(super) fn write_json(dir: &Path, file: &str, value: &Value) {
    std::fs::write(dir.join(file), value.to_string()).unwrap();
}

pub(super) fn write_checkpoint(dir: &Path, config: &Value, raws: &Raws) {
    write_json(dir, "config.json", config);
    write_json(dir, "tokenizer.json", &json!({}));
    write_tensors(&dir.join("model.safetensors"), raws);
}

/// The matrix `name` in 8 bits, with its scales.
pub(super) fn quantise(raws: &mut Raws, name: &str) {
    let raw = raws[name].clone();
    let (words, _) = raw.bytes.as_chunks::<4>();
    let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    let (mut bytes, mut scales) = (Vec::new(), Vec::new());
    for row in values.chunks(raw.shape[1]) {
        let most = row
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs()));
        let scale = most / 127.0;
        scales.push(scale);
        bytes.extend(
            row.iter()
                .map(|value| ((value / scale).round() as i8).cast_unsigned()),
        );
    }
    let rows = raw.shape[0];
    let whole = Raw {
        dtype: Dtype::I8,
        shape: raw.shape,
        bytes,
    };
    raws.insert(name.to_owned(), whole);
    raws.insert(format!("{name}.scale"), f32s(&scales, &[rows]));
}

/// A bundle: a shared segment, a branch of it with a classifier, and one of its own with a head for tokens.
pub(super) fn write_bundle(dir: &Path) -> Value {
    let mut files = BTreeMap::new();
    files.insert("embeddings.safetensors", embeddings(""));
    let mut shared = Raws::new();
    layer(&mut shared, "shared.layer.0");
    files.insert("shared.safetensors", shared);
    let mut domain = Raws::new();
    layer(&mut domain, "domain.layer.0");
    add_linear(&mut domain, "head.domain.0", HIDDEN, HIDDEN);
    add_linear(&mut domain, "head.domain.1", 2, HIDDEN);
    files.insert("domain.safetensors", domain);
    let mut pii = Raws::new();
    layer(&mut pii, "pii.layer.0");
    layer(&mut pii, "pii.layer.1");
    add_linear(&mut pii, "head.pii.0", 3, HIDDEN);
    files.insert("pii.safetensors", pii);
    std::fs::write(dir.join("tokenizer.json"), "{}").unwrap();
    let mut entries = json!({"tokenizer.json": entry(&dir.join("tokenizer.json"))});
    for (name, mut raws) in files {
        let matrices: Vec<String> = raws
            .iter()
            .filter(|(_, raw)| raw.shape.len() == 2)
            .map(|(name, _)| name.clone())
            .collect();
        for matrix in matrices {
            quantise(&mut raws, &matrix);
        }
        write_tensors(&dir.join(name), &raws);
        entries[name] = entry(&dir.join(name));
    }
    let manifest = json!({
        "format": 1, "revision": "0123456789ab", "tokenizer": "tokenizer.json", "files": entries,
        "config": {"model_type": "bert", "hidden_size": HIDDEN, "num_attention_heads": 2, "num_hidden_layers": 2,
                   "intermediate_size": INNER, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
                   "max_position_embeddings": POSITIONS, "vocab_size": VOCABULARY, "type_vocab_size": 2},
        "embeddings": {"file": "embeddings.safetensors"},
        "segments": [
            {"name": "shared", "parent": null, "layers": 1, "file": "shared.safetensors"},
            {"name": "domain", "parent": "shared", "layers": 1, "file": "domain.safetensors"},
            {"name": "pii", "parent": null, "layers": 2, "file": "pii.safetensors"}],
        "heads": [
            {"name": "embedding", "task": "embedding", "segment": "shared", "pooling": "mean", "stages": []},
            {"name": "domain", "task": "sequence", "segment": "domain", "pooling": "first", "labels": ["x", "y"],
             "stages": [{"then": "tanh"}, {"then": "nothing"}], "temperature": 1.5, "threshold": 0.5,
             "window": {"tokens": 16, "overlap": 4}},
            {"name": "pii", "task": "token", "segment": "pii", "pooling": "none", "labels": ["O", "B-AGE", "I-AGE"],
             "stages": [{"then": "nothing"}], "thresholds": {"AGE": 0.25}}],
    });
    write_json(dir, "manifest.json", &manifest);
    manifest
}

/// Size and hash of a file, as the manifest has them.
pub(super) fn entry(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap();
    let digest = Sha256::digest(&bytes);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"sha256": digest, "bytes": bytes.len()})
}
