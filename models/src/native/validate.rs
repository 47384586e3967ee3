//! Whether weights fit together, and whether the kernels can run them.

use crate::encoder::Task;
use crate::weights::{Activation, Embeddings, Segment};
use crate::weights::{
    EncoderWeights, Head, Layer, Linear, Matrix, Norm, NormOrder, Pooling, Positions, Values,
};

/// More inputs than that could overflow a 32-bit sum of products of bytes.
const MOST_INPUTS: usize = 1 << 16;

/// Checks every shape, so that nothing has to be checked later.
///
/// # Errors
/// What does not fit, with its name.
pub(super) fn validate(weights: &EncoderWeights) -> Result<(), String> {
    let hidden = weights.hidden;
    let heads = weights.attention_heads;
    if hidden == 0 || heads == 0 || !hidden.is_multiple_of(heads) {
        return Err(format!("{heads} attention heads do not divide {hidden}"));
    }
    if weights.max_tokens == 0 {
        return Err("no tokens fit into a sequence".to_owned());
    }
    match &weights.positions {
        Positions::Absolute => {}
        Positions::Rotary { .. } if (hidden / heads).is_multiple_of(2) => {}
        Positions::Rotary { .. } => {
            return Err("rotary positions need attention heads of even width".to_owned());
        }
        Positions::Disentangled(_) => {
            return Err(
                "the native kernels have no disentangled attention; candle runs it".to_owned(),
            );
        }
    }
    embeddings(&weights.embeddings, hidden, weights.max_tokens)?;
    for (index, part) in weights.segments.iter().enumerate() {
        segment(weights, index, part).map_err(|reason| format!("{}: {reason}", part.name))?;
    }
    for part in &weights.heads {
        head(weights, part).map_err(|reason| format!("head {}: {reason}", part.info.name))?;
    }
    Ok(())
}

fn embeddings(part: &Embeddings, hidden: usize, max_tokens: usize) -> Result<(), String> {
    matrix("word embeddings", &part.words, part.words.rows, hidden)?;
    if let Some(positions) = &part.positions {
        matrix("position embeddings", positions, positions.rows, hidden)?;
        let needed = max_tokens + part.first_position;
        if positions.rows < needed {
            return Err(format!(
                "{} position embeddings, but {max_tokens} tokens need {needed}",
                positions.rows
            ));
        }
    }
    if let Some(token_type) = &part.token_type {
        length("token type embedding", token_type.len(), hidden)?;
    }
    optional_norm("embeddings' norm", part.norm.as_ref(), hidden)
}

fn segment(weights: &EncoderWeights, index: usize, part: &Segment) -> Result<(), String> {
    if part.parent.is_some_and(|parent| parent >= index) {
        return Err("stands before its parent".to_owned());
    }
    for (number, part) in part.layers.iter().enumerate() {
        layer(weights, part).map_err(|reason| format!("layer {number}: {reason}"))?;
    }
    optional_norm("final norm", part.final_norm.as_ref(), weights.hidden)
}

fn layer(weights: &EncoderWeights, part: &Layer) -> Result<(), String> {
    let hidden = weights.hidden;
    if weights.norm_order == NormOrder::Post && part.attention_norm.is_none() {
        return Err("no norm after attention".to_owned());
    }
    if part.local && !matches!(weights.positions, Positions::Rotary { .. }) {
        return Err("local attention without a window".to_owned());
    }
    optional_norm("attention norm", part.attention_norm.as_ref(), hidden)?;
    optional_norm("feed-forward norm", Some(&part.feed_forward_norm), hidden)?;
    linear("query, key and value", &part.qkv, 3 * hidden, hidden)?;
    linear("attention output", &part.attention_out, hidden, hidden)?;
    linear("up", &part.up, part.up.weight.rows, hidden)?;
    let gated = weights.activation == Activation::GeGlu;
    let inner = part.up.weight.rows;
    if gated && !inner.is_multiple_of(2) {
        return Err(format!("up: {inner} outputs have no halves"));
    }
    let inner = if gated { inner / 2 } else { inner };
    linear("down", &part.down, hidden, inner)
}

fn head(weights: &EncoderWeights, part: &Head) -> Result<(), String> {
    if part.segment >= weights.segments.len() {
        return Err(format!("there is no segment {}", part.segment));
    }
    if (part.info.task == Task::Token) != (part.pooling == Pooling::None) {
        return Err("sequences are pooled, tokens are not".to_owned());
    }
    if let Pooling::Worst(parts) = part.pooling
        && !parts.cover()
    {
        return Err(format!(
            "parts of {} tokens cannot begin every {}",
            parts.tokens, parts.step
        ));
    }
    let mut width = weights.hidden;
    for (number, stage) in part.stages.iter().enumerate() {
        let name = format!("stage {number}");
        let rows = stage.linear.weight.rows;
        linear(&name, &stage.linear, rows, width)?;
        optional_norm(&name, stage.norm.as_ref(), rows)?;
        width = rows;
    }
    length("outputs", width, part.info.width)
}

fn linear(name: &str, part: &Linear, rows: usize, columns: usize) -> Result<(), String> {
    matrix(name, &part.weight, rows, columns)?;
    match &part.bias {
        Some(bias) => length(&format!("{name}: bias"), bias.len(), rows),
        None => Ok(()),
    }
}

fn matrix(name: &str, part: &Matrix, rows: usize, columns: usize) -> Result<(), String> {
    if (part.rows, part.columns) != (rows, columns) || rows == 0 || columns == 0 {
        return Err(format!(
            "{name}: {} x {} instead of {rows} x {columns}",
            part.rows, part.columns
        ));
    }
    if columns > MOST_INPUTS {
        return Err(format!("{name}: more than {MOST_INPUTS} inputs"));
    }
    let numbers = match &part.values {
        Values::F32(values) => values.len(),
        Values::Int8 { values, scales } => {
            length(&format!("{name}: scales"), scales.len(), rows)?;
            values.len()
        }
    };
    length(name, numbers, rows * columns)
}

fn optional_norm(name: &str, norm: Option<&Norm>, width: usize) -> Result<(), String> {
    let Some(norm) = norm else { return Ok(()) };
    length(name, norm.weight.len(), width)?;
    match &norm.bias {
        Some(bias) => length(&format!("{name}: bias"), bias.len(), width),
        None => Ok(()),
    }
}

fn length(name: &str, found: usize, wanted: usize) -> Result<(), String> {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{name}: {found} numbers instead of {wanted}"))
    }
}
