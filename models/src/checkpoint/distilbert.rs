//! DistilBERT: BERT with other names, no token types and no pooler. Its GELU is the exact one (candle-transformers
//! takes the tanh approximation, which is 2e-4 off).

use super::bert::TRUNK;
use super::config::Config;
use super::error::ReadError;
use super::tensors::Tensors;
use crate::weights::{
    Embeddings, EncoderWeights, Layer, NormOrder, Pooling, Positions, Segment, Stage, Then,
};

/// The trunk; heads are added by the caller.
pub(super) fn read(config: &Config, tensors: &Tensors) -> Result<EncoderWeights, ReadError> {
    let prefix = tensors.prefix("embeddings.word_embeddings.weight")?;
    let hidden = config.hidden;
    let table = |name: &str, rows| {
        tensors.matrix(
            &format!("{prefix}embeddings.{name}_embeddings.weight"),
            rows,
            hidden,
        )
    };
    let layers = (0..config.layers)
        .map(|index| {
            layer(
                config,
                tensors,
                &format!("{prefix}transformer.layer.{index}"),
            )
        })
        .collect::<Result<_, _>>()?;
    Ok(EncoderWeights {
        hidden,
        attention_heads: config.attention_heads,
        max_tokens: config.positions,
        norm_eps: config.norm_eps,
        norm_order: NormOrder::Post,
        activation: config.activation,
        embeddings: Embeddings {
            words: table("word", config.vocabulary)?,
            positions: Some(table("position", config.positions)?),
            first_position: 0,
            token_type: None,
            norm: Some(tensors.norm(&format!("{prefix}embeddings.LayerNorm"), hidden)?),
        },
        positions: Positions::Absolute,
        segments: vec![Segment {
            name: TRUNK.to_owned(),
            parent: None,
            layers,
            final_norm: None,
        }],
        heads: Vec::new(),
    })
}

fn layer(config: &Config, tensors: &Tensors, name: &str) -> Result<Layer, ReadError> {
    let (hidden, inner) = (config.hidden, config.intermediate);
    let [query, key, value] =
        ["q_lin", "k_lin", "v_lin"].map(|part| format!("{name}.attention.{part}"));
    Ok(Layer {
        attention_norm: Some(tensors.norm(&format!("{name}.sa_layer_norm"), hidden)?),
        qkv: tensors.stacked([&query, &key, &value], hidden)?,
        attention_out: tensors.linear(&format!("{name}.attention.out_lin"), hidden, hidden)?,
        feed_forward_norm: tensors.norm(&format!("{name}.output_layer_norm"), hidden)?,
        up: tensors.linear(&format!("{name}.ffn.lin1"), inner, hidden)?,
        down: tensors.linear(&format!("{name}.ffn.lin2"), hidden, inner)?,
        local: false,
    })
}

/// The stages before the classifier of a sequence head, the pooling and the classifier's name.
pub(super) fn sequence_head(
    config: &Config,
    tensors: &Tensors,
) -> Result<(Pooling, Vec<Stage>, &'static str), ReadError> {
    let prefix = tensors.prefix("pre_classifier.weight")?;
    let stage = Stage {
        linear: tensors.linear(
            &format!("{prefix}pre_classifier"),
            config.hidden,
            config.hidden,
        )?,
        then: Then::Relu,
        norm: None,
    };
    Ok((Pooling::First, vec![stage], "classifier"))
}
