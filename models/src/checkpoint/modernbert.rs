//! ModernBERT (mmBERT too): rotary positions, layers with a window between layers that see everything, normalisation
//! before each part, a gated feed-forward. Any map or normalisation may have a bias or not; what the file has counts.

use serde_json::Value;

use super::bert::TRUNK;
use super::config::Config;
use super::error::ReadError;
use super::json::Json;
use super::rotary;
use super::tensors::Tensors;
use crate::weights::{
    Activation, Embeddings, EncoderWeights, Layer, NormOrder, Pooling, Positions, Segment, Stage,
    Then,
};

/// What transformers takes where the configuration says nothing.
const LOCAL_ATTENTION: usize = 128;
const GLOBAL_EVERY: usize = 3;

/// The trunk; heads are added by the caller.
pub(super) fn read(
    json: &Json,
    config: &Config,
    tensors: &Tensors,
) -> Result<EncoderWeights, ReadError> {
    if config.activation != Activation::Gelu {
        return Err(json.wrong("hidden_activation", "is not \"gelu\""));
    }
    let prefix = tensors.prefix("embeddings.tok_embeddings.weight")?;
    let hidden = config.hidden;
    let (global, local) = rotary::read(json, config.positions)?;
    let layers = local_layers(json, config.layers)?
        .into_iter()
        .enumerate()
        .map(|(index, local)| {
            let name = format!("{prefix}layers.{index}");
            layer(config, tensors, &name, index, local)
        })
        .collect::<Result<_, _>>()?;
    Ok(EncoderWeights {
        hidden,
        attention_heads: config.attention_heads,
        max_tokens: config.positions,
        norm_eps: config.norm_eps,
        norm_order: NormOrder::Pre,
        activation: Activation::GeGlu,
        embeddings: Embeddings {
            words: tensors.matrix(
                &format!("{prefix}embeddings.tok_embeddings.weight"),
                config.vocabulary,
                hidden,
            )?,
            positions: None,
            first_position: 0,
            token_type: None,
            norm: Some(tensors.norm_any(&format!("{prefix}embeddings.norm"), hidden)?),
        },
        positions: Positions::Rotary {
            global,
            local,
            // `local_attention` counts both sides together.
            window: json.count(&["local_attention"])?.unwrap_or(LOCAL_ATTENTION) / 2,
        },
        segments: vec![Segment {
            name: TRUNK.to_owned(),
            parent: None,
            layers,
            final_norm: Some(tensors.norm_any(&format!("{prefix}final_norm"), hidden)?),
        }],
        heads: Vec::new(),
    })
}

fn layer(
    config: &Config,
    tensors: &Tensors,
    name: &str,
    index: usize,
    local: bool,
) -> Result<Layer, ReadError> {
    let (hidden, inner) = (config.hidden, config.intermediate);
    // The embeddings end with a normalisation, so the first layer has none of its own.
    let attention_norm = match index {
        0 => None,
        _ => Some(tensors.norm_any(&format!("{name}.attn_norm"), hidden)?),
    };
    Ok(Layer {
        attention_norm,
        qkv: tensors.linear_any(&format!("{name}.attn.Wqkv"), 3 * hidden, hidden)?,
        attention_out: tensors.linear_any(&format!("{name}.attn.Wo"), hidden, hidden)?,
        feed_forward_norm: tensors.norm_any(&format!("{name}.mlp_norm"), hidden)?,
        up: tensors.linear_any(&format!("{name}.mlp.Wi"), 2 * inner, hidden)?,
        down: tensors.linear_any(&format!("{name}.mlp.Wo"), hidden, inner)?,
        local,
    })
}

/// Which layers have a window: transformers 5 lists them, earlier versions say how often one has none.
fn local_layers(json: &Json, layers: usize) -> Result<Vec<bool>, ReadError> {
    let Some((field, value)) = json.any(&["layer_types"]) else {
        let every = json.count(&["global_attn_every_n_layers"])?;
        let every = every.unwrap_or(GLOBAL_EVERY).max(1);
        return Ok((0..layers).map(|index| index % every != 0).collect());
    };
    let kinds: Option<Vec<bool>> = value.as_array().and_then(|kinds| {
        let local = |kind: &Value| match kind.as_str() {
            Some("full_attention") => Some(false),
            Some("sliding_attention") => Some(true),
            _ => None,
        };
        kinds.iter().map(local).collect()
    });
    match kinds {
        Some(kinds) if kinds.len() == layers => Ok(kinds),
        _ => Err(json.wrong(
            field,
            "does not say full_attention or sliding_attention for each layer",
        )),
    }
}

/// The head before the classifier: one for texts and tokens alike. Pooling comes before it.
pub(super) fn head(
    json: &Json,
    config: &Config,
    tensors: &Tensors,
    tokens: bool,
) -> Result<(Pooling, Vec<Stage>, &'static str), ReadError> {
    let pooling = match json.word(&["classifier_pooling"])? {
        _ if tokens => Pooling::None,
        None | Some("cls") => Pooling::First,
        Some("mean") => Pooling::Mean,
        Some(other) => {
            return Err(json.wrong(
                "classifier_pooling",
                &format!("is \"{other}\"; run are cls and mean"),
            ));
        }
    };
    let then = match json.word(&["classifier_activation"])? {
        None | Some("gelu") => Then::Gelu,
        Some("relu") => Then::Relu,
        Some("tanh") => Then::Tanh,
        Some(other) => {
            return Err(json.wrong(
                "classifier_activation",
                &format!("is \"{other}\"; run are gelu, relu, tanh"),
            ));
        }
    };
    let prefix = tensors.prefix("head.dense.weight")?;
    let hidden = config.hidden;
    let stage = Stage {
        linear: tensors.linear_any(&format!("{prefix}head.dense"), hidden, hidden)?,
        then,
        norm: Some(tensors.norm_any(&format!("{prefix}head.norm"), hidden)?),
    };
    Ok((pooling, vec![stage], "classifier"))
}
