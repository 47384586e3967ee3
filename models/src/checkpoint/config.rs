//! `config.json` in one form, whichever library version wrote it.
//!
//! transformers 5 renamed fields of some families (`norm_eps`, `rope_parameters`, `layer_types`) and leaves out what
//! equals its defaults; both spellings are read.

use serde_json::Value;

use super::error::ReadError;
use super::json::Json;
use crate::weights::Activation;

/// The families whose checkpoints are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// BERT; MiniLM is a small one.
    Bert,
    /// RoBERTa, XLM-RoBERTa, CamemBERT: BERT with positions that begin behind the padding's id.
    Roberta,
    DistilBert,
    ModernBert,
    /// DeBERTa-v2 and -v3.
    Deberta,
}

/// What every family has.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) family: Family,
    pub(super) vocabulary: usize,
    pub(super) hidden: usize,
    pub(super) layers: usize,
    pub(super) attention_heads: usize,
    pub(super) intermediate: usize,
    /// Rows of the table of positions, or the longest sequence where there is none.
    pub(super) positions: usize,
    pub(super) token_types: usize,
    pub(super) norm_eps: f32,
    pub(super) activation: Activation,
    pub(super) padding_id: usize,
}

impl Config {
    /// Reads what all families have; what only one has, its reader asks for.
    pub(super) fn parse(json: &Json) -> Result<Self, ReadError> {
        let family = family(json)?;
        let hidden = json.size(&["hidden_size", "dim"])?;
        let attention_heads = json.size(&["num_attention_heads", "n_heads"])?;
        if !hidden.is_multiple_of(attention_heads) {
            return Err(json.wrong(
                "num_attention_heads",
                &format!("is {attention_heads}, which does not divide `hidden_size` {hidden}"),
            ));
        }
        refuse_variants(json, family)?;
        let (eps, padding_id) = match family {
            Family::Roberta => (1e-12, 1),
            Family::Deberta => (1e-7, 0),
            Family::ModernBert => (1e-5, 0),
            Family::Bert | Family::DistilBert => (1e-12, 0),
        };
        let norm_eps = json.number(&["layer_norm_eps", "norm_eps"])?;
        Ok(Self {
            family,
            vocabulary: json.size(&["vocab_size"])?,
            hidden,
            layers: json.size(&["num_hidden_layers", "n_layers"])?,
            attention_heads,
            intermediate: json.size(&["intermediate_size", "hidden_dim"])?,
            positions: json.size(&["max_position_embeddings"])?,
            token_types: json.count(&["type_vocab_size"])?.unwrap_or(match family {
                Family::Bert | Family::Roberta => 2,
                _ => 0,
            }),
            norm_eps: norm_eps.unwrap_or(eps) as f32,
            activation: activation(json)?,
            padding_id: json.count(&["pad_token_id"])?.unwrap_or(padding_id),
        })
    }
}

/// What would run, but not as the model was trained.
fn refuse_variants(json: &Json, family: Family) -> Result<(), ReadError> {
    if json.flag("is_decoder", false)? {
        return Err(json.wrong("is_decoder", "is true; only encoders are run"));
    }
    match json.word(&["position_embedding_type"])? {
        None | Some("absolute") => Ok(()),
        // mmBERT says "sans_pos"; ModernBERT's positions are rotary whatever stands there.
        Some(_) if family == Family::ModernBert => Ok(()),
        Some(other) => Err(json.wrong(
            "position_embedding_type",
            &format!("is \"{other}\"; only absolute is run"),
        )),
    }
}

fn family(json: &Json) -> Result<Family, ReadError> {
    let Some(name) = json.word(&["model_type"])? else {
        return Err(json.wrong("model_type", "is missing"));
    };
    match name {
        "bert" => Ok(Family::Bert),
        "roberta" | "xlm-roberta" | "camembert" => Ok(Family::Roberta),
        "distilbert" => Ok(Family::DistilBert),
        "modernbert" => Ok(Family::ModernBert),
        "deberta-v2" => Ok(Family::Deberta),
        other => Err(json.wrong(
            "model_type",
            &format!(
                "is \"{other}\"; read are bert, roberta, xlm-roberta, camembert, distilbert, modernbert, deberta-v2"
            ),
        )),
    }
}

/// The feed-forward's non-linearity; ModernBERT's reader makes the gated kind of it.
fn activation(json: &Json) -> Result<Activation, ReadError> {
    let names = ["hidden_act", "activation", "hidden_activation"];
    let Some((field, value)) = json.any(&names) else {
        return Ok(Activation::Gelu);
    };
    match value {
        Value::String(name) => match &**name {
            "gelu" | "gelu_python" => Ok(Activation::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Activation::GeluTanh),
            "relu" => Ok(Activation::Relu),
            other => Err(json.wrong(
                field,
                &format!("is \"{other}\"; run are gelu, gelu_new, gelu_pytorch_tanh, relu"),
            )),
        },
        other => Err(json.wrong(field, &format!("is {other}, not a string"))),
    }
}
