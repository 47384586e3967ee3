//! DeBERTa-v2 and -v3: BERT with disentangled attention. Content and positions meet in the attention scores, positions
//! as vectors of relative distances that all layers share.
//!
//! Read is what the published v3 models are (`share_att_key`, no convolution); other variants are refused by name.

use serde_json::Value;

use super::bert;
use super::bert::TRUNK;
use super::config::Config;
use super::error::ReadError;
use super::json::Json;
use super::tensors::Tensors;
use crate::weights::{
    Disentangled, Embeddings, EncoderWeights, Layer, Linear, Matrix, Norm, NormOrder, Pooling,
    Positions, Segment, Stage, Then, Values,
};

/// The trunk; heads are added by the caller.
pub(super) fn read(
    json: &Json,
    config: &Config,
    tensors: &Tensors,
) -> Result<EncoderWeights, ReadError> {
    refuse_variants(json, config)?;
    let prefix = tensors.prefix("embeddings.word_embeddings.weight")?;
    let layers = (0..config.layers)
        .map(|index| layer(config, tensors, &format!("{prefix}encoder.layer.{index}")))
        .collect::<Result<_, _>>()?;
    Ok(EncoderWeights {
        hidden: config.hidden,
        attention_heads: config.attention_heads,
        max_tokens: config.positions,
        norm_eps: config.norm_eps,
        norm_order: NormOrder::Post,
        activation: config.activation,
        embeddings: embeddings(json, config, tensors, &prefix)?,
        positions: positions(json, config, tensors, &prefix)?,
        segments: vec![Segment {
            name: TRUNK.to_owned(),
            parent: None,
            layers,
            final_norm: None,
        }],
        heads: Vec::new(),
    })
}

fn refuse_variants(json: &Json, config: &Config) -> Result<(), ReadError> {
    for field in ["relative_attention", "share_att_key"] {
        if !json.flag(field, false)? {
            return Err(json.wrong(field, "is not true; nothing else is run"));
        }
    }
    if json.count(&["conv_kernel_size"])?.unwrap_or(0) > 0 {
        return Err(json.wrong(
            "conv_kernel_size",
            "asks for a convolution, which is not run",
        ));
    }
    for field in ["embedding_size", "pooler_hidden_size"] {
        if json
            .count(&[field])?
            .is_some_and(|size| size != config.hidden)
        {
            return Err(json.wrong(field, "is not `hidden_size`"));
        }
    }
    if json
        .count(&["attention_head_size"])?
        .is_some_and(|size| size * config.attention_heads != config.hidden)
    {
        return Err(json.wrong(
            "attention_head_size",
            "is not `hidden_size` / `num_attention_heads`",
        ));
    }
    Ok(())
}

fn embeddings(
    json: &Json,
    config: &Config,
    tensors: &Tensors,
    prefix: &str,
) -> Result<Embeddings, ReadError> {
    let table = |name: &str, rows| {
        let name = format!("{prefix}embeddings.{name}_embeddings.weight");
        tensors.matrix(&name, rows, config.hidden)
    };
    let positions = json.flag("position_biased_input", true)?;
    let token_type = if config.token_types == 0 {
        None
    } else {
        let mut first = vec![0.0; config.hidden];
        table("token_type", config.token_types)?.row_into(0, &mut first);
        Some(first)
    };
    Ok(Embeddings {
        words: table("word", config.vocabulary)?,
        positions: positions
            .then(|| table("position", config.positions))
            .transpose()?,
        first_position: 0,
        token_type,
        norm: Some(tensors.norm(&format!("{prefix}embeddings.LayerNorm"), config.hidden)?),
    })
}

fn positions(
    json: &Json,
    config: &Config,
    tensors: &Tensors,
    prefix: &str,
) -> Result<Positions, ReadError> {
    // -1 stands for "as many as positions", or "no buckets".
    let above_zero = |field: &str| -> Result<Option<usize>, ReadError> {
        match json.number(&[field])? {
            Some(number) if number >= 1.0 => json.count(&[field]),
            _ => Ok(None),
        }
    };
    let max_distance = above_zero("max_relative_positions")?.unwrap_or(config.positions);
    let buckets = above_zero("position_buckets")?.unwrap_or(0);
    let span = if buckets > 0 { buckets } else { max_distance };
    let kinds = attention_kinds(json)?;
    let name = format!("{prefix}encoder.rel_embeddings.weight");
    let mut relative = tensors.matrix(&name, 2 * span, config.hidden)?;
    let normed = json.word(&["norm_rel_ebd"])?.unwrap_or("none");
    if normed
        .to_lowercase()
        .split('|')
        .any(|part| part.trim() == "layer_norm")
    {
        let norm = tensors.norm(&format!("{prefix}encoder.LayerNorm"), config.hidden)?;
        relative = normalised(&relative, &norm, config.norm_eps);
    }
    Ok(Positions::Disentangled(Disentangled {
        relative,
        span,
        max_distance,
        buckets,
        content_to_position: kinds.iter().any(|kind| kind == "c2p"),
        position_to_content: kinds.iter().any(|kind| kind == "p2c"),
    }))
}

/// `pos_att_type`: `"p2c|c2p"`, or a list of the two.
fn attention_kinds(json: &Json) -> Result<Vec<String>, ReadError> {
    let kinds = match json.any(&["pos_att_type"]) {
        None => Vec::new(),
        Some((_, Value::String(text))) => text
            .split('|')
            .map(|kind| kind.trim().to_lowercase())
            .collect(),
        Some((_, Value::Array(kinds))) => kinds
            .iter()
            .map(|kind| kind.as_str().unwrap_or_default().to_lowercase())
            .collect(),
        Some((field, other)) => {
            return Err(json.wrong(field, &format!("is {other}, not a string or a list")));
        }
    };
    if kinds
        .iter()
        .any(|kind| !["c2p", "p2c", ""].contains(&kind.as_str()))
    {
        return Err(json.wrong("pos_att_type", "has more than c2p and p2c"));
    }
    Ok(kinds)
}

/// The table does not change from text to text, so its normalisation is done once, here.
fn normalised(table: &Matrix, norm: &Norm, eps: f32) -> Matrix {
    let mut values = table.to_f32();
    for row in values.chunks_exact_mut(table.columns) {
        let count = row.len() as f64;
        let mean = row.iter().copied().map(f64::from).sum::<f64>() / count;
        let square = |value: &f32| (f64::from(*value) - mean).powi(2);
        let variance = row.iter().map(square).sum::<f64>() / count;
        let factor = 1.0 / (variance + f64::from(eps)).sqrt();
        for (index, value) in row.iter_mut().enumerate() {
            let bias = norm.bias.as_ref().map_or(0.0, |bias| bias[index]);
            *value = ((f64::from(*value) - mean) * factor) as f32 * norm.weight[index] + bias;
        }
    }
    Matrix {
        values: Values::F32(values),
        ..*table
    }
}

fn layer(config: &Config, tensors: &Tensors, name: &str) -> Result<Layer, ReadError> {
    let maps = ["query_proj", "key_proj", "value_proj"];
    bert::layer_with(config, tensors, name, maps)
}

/// The stages before the classifier of a sequence head, the pooling and the classifier's name.
pub(super) fn sequence_head(
    json: &Json,
    config: &Config,
    tensors: &Tensors,
) -> Result<(Pooling, Vec<Stage>, &'static str), ReadError> {
    let then = match json.word(&["pooler_hidden_act"])? {
        None | Some("gelu") => Then::Gelu,
        Some("tanh") => Then::Tanh,
        Some("relu") => Then::Relu,
        Some(other) => {
            return Err(json.wrong(
                "pooler_hidden_act",
                &format!("is \"{other}\"; run are gelu, tanh, relu"),
            ));
        }
    };
    let prefix = tensors.prefix("pooler.dense.weight")?;
    let linear: Linear = tensors.linear(
        &format!("{prefix}pooler.dense"),
        config.hidden,
        config.hidden,
    )?;
    let stage = Stage {
        linear,
        then,
        norm: None,
    };
    Ok((Pooling::First, vec![stage], "classifier"))
}
