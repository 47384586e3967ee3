//! An encoder's weights, packed for an instruction set.

use super::Precision;
use super::kernel::Isa;
use super::kernel::attend::Shape;
use super::kernel::pack::PackedLinear;
use crate::rotary::{Rotary, Turns};
use crate::weights::{
    Activation, Embeddings, EncoderWeights, Layer, Norm, NormOrder, Pooling, Positions, Segment,
    Stage, Then,
};

/// What a forward pass needs; [`super::validate`] has seen it.
pub(super) struct Trunk {
    pub(super) isa: Isa,
    pub(super) shape: Shape,
    pub(super) hidden: usize,
    pub(super) max_tokens: usize,
    pub(super) norm_eps: f32,
    pub(super) norm_order: NormOrder,
    pub(super) activation: Activation,
    pub(super) embeddings: Embeddings,
    /// Angles of layers that see everything, and of those with a window.
    pub(super) angles: Option<(Turns, Turns)>,
    pub(super) window: usize,
    pub(super) segments: Vec<PackedSegment>,
    pub(super) heads: Vec<PackedHead>,
}

/// A [`Segment`].
pub(super) struct PackedSegment {
    pub(super) parent: Option<usize>,
    pub(super) layers: Vec<PackedLayer>,
    pub(super) final_norm: Option<Norm>,
}

/// A [`Layer`].
pub(super) struct PackedLayer {
    pub(super) attention_norm: Option<Norm>,
    pub(super) qkv: PackedLinear,
    pub(super) attention_out: PackedLinear,
    pub(super) feed_forward_norm: Norm,
    pub(super) up: PackedLinear,
    pub(super) down: PackedLinear,
    pub(super) local: bool,
}

/// A [`crate::weights::Head`].
pub(super) struct PackedHead {
    pub(super) segment: usize,
    pub(super) pooling: Pooling,
    pub(super) stages: Vec<PackedStage>,
    /// Whether the output's rows get length 1.
    pub(super) unit: bool,
}

/// A [`Stage`]. Heads stay in `f32`: they cost next to nothing, and their rounding is not averaged out by anything.
pub(super) struct PackedStage {
    pub(super) map: PackedLinear,
    pub(super) then: Then,
    pub(super) norm: Option<Norm>,
}

impl Trunk {
    /// Packs weights that have been validated.
    pub(super) fn new(weights: &EncoderWeights, precision: Precision, isa: Isa) -> Self {
        let width = weights.hidden / weights.attention_heads;
        let (angles, window) = match weights.positions {
            Positions::Rotary {
                global,
                local,
                window,
            } => {
                let turns = |rotary: Rotary| rotary.turns(width, weights.max_tokens);
                (Some((turns(global), turns(local))), window)
            }
            _ => (None, 0),
        };
        Self {
            isa,
            shape: Shape {
                heads: weights.attention_heads,
                width,
                lanes: isa.lanes(),
            },
            hidden: weights.hidden,
            max_tokens: weights.max_tokens,
            norm_eps: weights.norm_eps,
            norm_order: weights.norm_order,
            activation: weights.activation,
            embeddings: weights.embeddings.clone(),
            angles,
            window,
            segments: weights
                .segments
                .iter()
                .map(|part| segment(part, precision, isa))
                .collect(),
            heads: weights
                .heads
                .iter()
                .map(|head| PackedHead {
                    segment: head.segment,
                    pooling: head.pooling,
                    stages: head.stages.iter().map(|part| stage(part, isa)).collect(),
                    unit: head.info.task == crate::encoder::Task::Embedding,
                })
                .collect(),
        }
    }
}

fn segment(part: &Segment, precision: Precision, isa: Isa) -> PackedSegment {
    PackedSegment {
        parent: part.parent,
        layers: part
            .layers
            .iter()
            .map(|part| layer(part, precision, isa))
            .collect(),
        final_norm: part.final_norm.clone(),
    }
}

fn layer(part: &Layer, precision: Precision, isa: Isa) -> PackedLayer {
    PackedLayer {
        attention_norm: part.attention_norm.clone(),
        qkv: PackedLinear::new(isa, precision, &part.qkv),
        attention_out: PackedLinear::new(isa, precision, &part.attention_out),
        feed_forward_norm: part.feed_forward_norm.clone(),
        up: PackedLinear::new(isa, precision, &part.up),
        down: PackedLinear::new(isa, precision, &part.down),
        local: part.local,
    }
}

fn stage(part: &Stage, isa: Isa) -> PackedStage {
    PackedStage {
        map: PackedLinear::new(isa, Precision::F32, &part.linear),
        then: part.then,
        norm: part.norm.clone(),
    }
}
