//! BERT and RoBERTa: absolute positions, normalisation after each sum.

use super::config::{Config, Family};
use super::error::ReadError;
use super::tensors::Tensors;
use crate::weights::{
    Embeddings, EncoderWeights, Layer, NormOrder, Pooling, Positions, Segment, Stage, Then,
};

/// Names the only segment of a checkpoint.
pub(super) const TRUNK: &str = "trunk";

/// The trunk; heads are added by the caller.
pub(super) fn read(config: &Config, tensors: &Tensors) -> Result<EncoderWeights, ReadError> {
    let prefix = tensors.prefix("embeddings.word_embeddings.weight")?;
    let embeddings = embeddings(config, tensors, &prefix)?;
    let layers = (0..config.layers)
        .map(|index| layer(config, tensors, &format!("{prefix}encoder.layer.{index}")))
        .collect::<Result<_, _>>()?;
    Ok(EncoderWeights {
        hidden: config.hidden,
        attention_heads: config.attention_heads,
        max_tokens: config.positions - embeddings.first_position,
        norm_eps: config.norm_eps,
        norm_order: NormOrder::Post,
        activation: config.activation,
        embeddings,
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

/// The tables before the first layer, under `prefix`.
pub(super) fn embeddings(
    config: &Config,
    tensors: &Tensors,
    prefix: &str,
) -> Result<Embeddings, ReadError> {
    let hidden = config.hidden;
    let table = |name: &str, rows| {
        tensors.matrix(
            &format!("{prefix}embeddings.{name}_embeddings.weight"),
            rows,
            hidden,
        )
    };
    // RoBERTa counts positions from the padding's id on, which is itself never used.
    let first_position = match config.family {
        Family::Roberta => config.padding_id + 1,
        _ => 0,
    };
    if first_position >= config.positions {
        return Err(ReadError::Field {
            file: "config.json".to_owned(),
            field: "max_position_embeddings".to_owned(),
            problem: format!("is {}, too few for one token", config.positions),
        });
    }
    let token_type = if config.token_types == 0 {
        None
    } else {
        let types = table("token_type", config.token_types)?;
        let mut first = vec![0.0; hidden];
        types.row_into(0, &mut first);
        Some(first)
    };
    Ok(Embeddings {
        words: table("word", config.vocabulary)?,
        positions: Some(table("position", config.positions)?),
        first_position,
        token_type,
        norm: Some(tensors.norm(&format!("{prefix}embeddings.LayerNorm"), hidden)?),
    })
}

/// One layer with BERT's names.
pub(super) fn layer(config: &Config, tensors: &Tensors, name: &str) -> Result<Layer, ReadError> {
    layer_with(config, tensors, name, ["query", "key", "value"])
}

/// One layer with BERT's names but for the maps in front of attention.
pub(super) fn layer_with(
    config: &Config,
    tensors: &Tensors,
    name: &str,
    maps: [&str; 3],
) -> Result<Layer, ReadError> {
    let (hidden, inner) = (config.hidden, config.intermediate);
    let attention = format!("{name}.attention");
    let [query, key, value] = maps.map(|part| format!("{attention}.self.{part}"));
    Ok(Layer {
        attention_norm: Some(tensors.norm(&format!("{attention}.output.LayerNorm"), hidden)?),
        qkv: tensors.stacked([&query, &key, &value], hidden)?,
        attention_out: tensors.linear(&format!("{attention}.output.dense"), hidden, hidden)?,
        feed_forward_norm: tensors.norm(&format!("{name}.output.LayerNorm"), hidden)?,
        up: tensors.linear(&format!("{name}.intermediate.dense"), inner, hidden)?,
        down: tensors.linear(&format!("{name}.output.dense"), hidden, inner)?,
        local: false,
    })
}

/// The stages before the classifier of a sequence head, and the pooling: BERT's pooler, or RoBERTa's own dense map.
///
/// Also returns the classifier's name.
pub(super) fn sequence_head(
    config: &Config,
    tensors: &Tensors,
) -> Result<(Pooling, Vec<Stage>, &'static str), ReadError> {
    let (dense, classifier) = match config.family {
        Family::Roberta => ("classifier.dense", "classifier.out_proj"),
        _ => ("pooler.dense", "classifier"),
    };
    let prefix = tensors.prefix(&format!("{dense}.weight"))?;
    let stage = Stage {
        linear: tensors.linear(&format!("{prefix}{dense}"), config.hidden, config.hidden)?,
        then: Then::Tanh,
        norm: None,
    };
    Ok((Pooling::First, vec![stage], classifier))
}
