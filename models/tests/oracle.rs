//! Our encoders against candle-transformers, where that is right, and the sign that it is not where it is not.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use candle_core::{D, DType, Device, Tensor};
use candle_nn::{Module, VarBuilder};
use candle_transformers::models::{bert, debertav2, distilbert, modernbert, xlm_roberta};
use commutator_models::candle::{CandleEncoder, Options};
use commutator_models::checkpoint::{self, read_dir};
use commutator_models::encoder::{Encoder, Packed};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const IDS: [u32; 9] = [2, 17, 40, 5, 63, 22, 8, 31, 3];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("parity/fixtures")
        .join(name)
}

fn variables(name: &str) -> VarBuilder<'static> {
    let bytes = std::fs::read(fixture(name).join("model.safetensors")).unwrap();
    VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu).unwrap()
}

/// The configuration, with the fields that candle-transformers wants and transformers no longer writes.
fn config<T: DeserializeOwned>(name: &str, added: &Value) -> T {
    let text = std::fs::read(fixture(name).join("config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&text).unwrap();
    for (field, value) in added.as_object().unwrap() {
        config[field] = value.clone();
    }
    serde_json::from_value(config).unwrap()
}

fn ids() -> Tensor {
    Tensor::new(&[IDS], &Device::Cpu).unwrap()
}

fn ours(name: &str) -> Vec<f32> {
    let checkpoint = read_dir(&fixture(name), name, &checkpoint::Options::default()).unwrap();
    let encoder = CandleEncoder::new(&checkpoint.weights, Options::default()).unwrap();
    let mut batch = Packed::default();
    batch.push(&IDS);
    encoder.forward(&batch, &[0]).unwrap().remove(0).values
}

fn distance(ours: &[f32], oracle: &Tensor) -> f32 {
    let oracle = oracle.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(ours.len(), oracle.len());
    let pairs = ours.iter().zip(&oracle);
    pairs
        .map(|(one, other)| (one - other).abs())
        .fold(0.0, f32::max)
}

fn unit(vectors: &Tensor) -> Tensor {
    let length = vectors
        .sqr()
        .unwrap()
        .sum_keepdim(1)
        .unwrap()
        .sqrt()
        .unwrap();
    vectors.broadcast_div(&length).unwrap()
}

#[test]
fn bert() {
    let name = "bert-embedding";
    let model = bert::BertModel::load(variables(name), &config(name, &json!({}))).unwrap();
    let hidden = model
        .forward(&ids(), &ids().zeros_like().unwrap(), None)
        .unwrap();
    assert!(distance(&ours(name), &unit(&hidden.mean(1).unwrap())) < 1e-5);
}

#[test]
fn xlm_roberta() {
    let name = "xlm-roberta-embedding";
    let added = json!({"position_embedding_type": "absolute"});
    let model = xlm_roberta::XLMRobertaModel::new(&config(name, &added), variables(name)).unwrap();
    let (mask, types) = (ids().ones_like().unwrap(), ids().zeros_like().unwrap());
    let hidden = model
        .forward(&ids(), &mask, &types, None, None, None)
        .unwrap();
    let first = hidden.narrow(1, 0, 1).unwrap().squeeze(1).unwrap();
    assert!(distance(&ours(name), &unit(&first)) < 1e-5);
}

#[test]
fn modernbert_gives_probabilities() {
    let name = "modernbert-sequence-older";
    let labels = json!({
        "id2label": {"0": "a", "1": "b", "2": "c"}, "label2id": {"a": "0", "b": "1", "c": "2"},
    });
    let config = config(name, &labels);
    let model =
        modernbert::ModernBertForSequenceClassification::load(variables(name), &config).unwrap();
    let oracle = model.forward(&ids(), &ids().ones_like().unwrap()).unwrap();
    let logits = Tensor::new(ours(name), &Device::Cpu).unwrap();
    let probabilities = candle_nn::ops::softmax(&logits, D::Minus1).unwrap();
    let probabilities = probabilities.to_vec1::<f32>().unwrap();
    assert!(distance(&probabilities, &oracle) < 1e-5);
}

#[test]
fn deberta_forgets_the_bias_of_its_head_for_tokens() {
    // candle-transformers does not add the prefix that files have.
    let name = "deberta-sequence";
    let added = json!({"norm_rel_ebd": "layer_norm", "initializer_range": 0.02});
    let variables_of = |name| variables(name).set_prefix("deberta");
    let model = debertav2::DebertaV2SeqClassificationModel::load(
        variables_of(name),
        &config(name, &added),
        None,
    )
    .unwrap();
    let oracle = model.forward(&ids(), None, None).unwrap();
    assert!(distance(&ours(name), &oracle) < 1e-5);

    let name = "deberta-token";
    let model = debertav2::DebertaV2NERModel::load(variables_of(name), &config(name, &added), None)
        .unwrap();
    let oracle = model.forward(&ids(), None, None).unwrap();
    let bias = variables(name).get(5, "classifier.bias").unwrap();
    assert!(distance(&ours(name), &oracle) > 1e-2);
    assert!(distance(&ours(name), &oracle.broadcast_add(&bias).unwrap()) < 1e-5);
}

#[test]
fn distilbert_takes_another_gelu() {
    let name = "distilbert-token";
    let model =
        distilbert::DistilBertModel::load(variables(name), &config(name, &json!({}))).unwrap();
    let mask = Tensor::zeros((1, 1, 1, IDS.len()), DType::U8, &Device::Cpu).unwrap();
    let hidden = model.forward(&ids(), &mask).unwrap().squeeze(0).unwrap();
    let classifier = candle_nn::linear(32, 5, variables(name).pp("classifier")).unwrap();
    let off = distance(&ours(name), &classifier.forward(&hidden).unwrap());
    assert!(off > 1e-4 && off < 1e-1, "off by {off}");
}
