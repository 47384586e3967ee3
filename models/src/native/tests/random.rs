//! Small random models.

use crate::encoder::{HeadInfo, Packed, Task};
use crate::rotary::Rotary;
use crate::weights::*;

/// Numbers that look random and are always the same.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From -1 to 1.
    pub(super) fn number(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.number();
        (self.0 >> 33) as usize % bound
    }

    fn numbers(&mut self, count: usize, size: f32) -> Vec<f32> {
        (0..count).map(|_| self.number() * size).collect()
    }

    pub(super) fn matrix(&mut self, rows: usize, columns: usize) -> Matrix {
        let size = (3.0 / columns as f32).sqrt();
        Matrix {
            rows,
            columns,
            values: Values::F32(self.numbers(rows * columns, size)),
        }
    }

    pub(super) fn linear(&mut self, rows: usize, columns: usize, bias: bool) -> Linear {
        Linear {
            weight: self.matrix(rows, columns),
            bias: bias.then(|| self.numbers(rows, 0.3)),
        }
    }

    fn norm(&mut self, width: usize, bias: bool) -> Norm {
        Norm {
            weight: (0..width).map(|_| 1.0 + 0.3 * self.number()).collect(),
            bias: bias.then(|| self.numbers(width, 0.3)),
        }
    }

    pub(super) fn batch(&mut self, vocabulary: usize, lengths: &[usize]) -> Packed {
        let mut batch = Packed::default();
        for length in lengths {
            let ids: Vec<u32> = (0..*length)
                .map(|_| self.below(vocabulary) as u32)
                .collect();
            batch.push(&ids);
        }
        batch
    }
}

/// What a random model looks like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sketch {
    pub(super) modern: bool,
    pub(super) activation: Activation,
    pub(super) hidden: usize,
    pub(super) heads: usize,
    pub(super) inner: usize,
    pub(super) window: usize,
}

pub(super) const BERT: Sketch = Sketch {
    modern: false,
    activation: Activation::Gelu,
    hidden: 36,
    heads: 3,
    inner: 70,
    window: 0,
};

pub(super) const MODERN: Sketch = Sketch {
    modern: true,
    activation: Activation::GeGlu,
    hidden: 48,
    heads: 3,
    inner: 41,
    window: 5,
};

pub(super) const VOCABULARY: usize = 50;

/// Segments: a shared one of two layers, one of two layers on it, an empty one on it, one of its own. Heads: all
/// tasks and poolings, on all segments.
pub(super) fn model(sketch: Sketch, seed: u64) -> EncoderWeights {
    let mut random = Random::new(seed);
    let hidden = sketch.hidden;
    let bias = !sketch.modern;
    let segment = |random: &mut Random, name: &str, parent, layers: usize, last: bool| Segment {
        name: name.to_owned(),
        parent,
        layers: (0..layers)
            .map(|index| {
                layer(
                    random,
                    sketch,
                    parent.is_none() && index == 0,
                    index % 2 == 1,
                )
            })
            .collect(),
        final_norm: (sketch.modern && last).then(|| random.norm(hidden, bias)),
    };
    let segments = vec![
        segment(&mut random, "shared", None, 2, false),
        segment(&mut random, "upper", Some(0), 2, true),
        segment(&mut random, "empty", Some(0), 0, true),
        segment(&mut random, "alone", None, 1, true),
    ];
    let mut words = random.matrix(VOCABULARY, hidden);
    if let Values::F32(values) = &mut words.values {
        values.iter_mut().for_each(|value| *value *= 4.0);
    }
    EncoderWeights {
        hidden,
        attention_heads: sketch.heads,
        max_tokens: 90,
        norm_eps: 1e-5,
        norm_order: if sketch.modern {
            NormOrder::Pre
        } else {
            NormOrder::Post
        },
        activation: sketch.activation,
        embeddings: Embeddings {
            words,
            positions: (!sketch.modern).then(|| random.matrix(92, hidden)),
            first_position: if sketch.modern { 0 } else { 2 },
            token_type: (!sketch.modern).then(|| random.numbers(hidden, 0.5)),
            norm: Some(random.norm(hidden, bias)),
        },
        positions: if sketch.modern {
            Positions::Rotary {
                global: Rotary::plain(160_000.0),
                local: Rotary::plain(10_000.0),
                window: sketch.window,
            }
        } else {
            Positions::Absolute
        },
        segments,
        heads: heads(&mut random, hidden),
    }
}

fn layer(random: &mut Random, sketch: Sketch, first: bool, local: bool) -> Layer {
    let Sketch { hidden, inner, .. } = sketch;
    let bias = !sketch.modern;
    let up = if sketch.activation == Activation::GeGlu {
        2 * inner
    } else {
        inner
    };
    Layer {
        attention_norm: (!(sketch.modern && first)).then(|| random.norm(hidden, bias)),
        qkv: random.linear(3 * hidden, hidden, bias),
        attention_out: random.linear(hidden, hidden, bias),
        feed_forward_norm: random.norm(hidden, bias),
        up: random.linear(up, hidden, bias),
        down: random.linear(hidden, inner, bias),
        local: sketch.modern && local,
    }
}

fn heads(random: &mut Random, hidden: usize) -> Vec<Head> {
    let mut head = |name: &str, task, segment, pooling, stages: &[(usize, Then, bool)]| {
        let mut width = hidden;
        let stages = stages
            .iter()
            .map(|(rows, then, norm)| {
                let linear = random.linear(*rows, width, true);
                width = *rows;
                Stage {
                    linear,
                    then: *then,
                    norm: norm.then(|| random.norm(*rows, true)),
                }
            })
            .collect();
        Head {
            info: HeadInfo {
                name: name.to_owned(),
                task,
                labels: Vec::new(),
                width,
            },
            segment,
            pooling,
            stages,
        }
    };
    use Then::{Gelu, Nothing, Relu, Tanh};
    vec![
        head(
            "class",
            Task::Sequence,
            1,
            Pooling::First,
            &[(hidden, Tanh, false), (5, Nothing, false)],
        ),
        head(
            "mean",
            Task::Sequence,
            1,
            Pooling::Mean,
            &[(hidden, Gelu, true), (3, Nothing, false)],
        ),
        head(
            "token",
            Task::Token,
            3,
            Pooling::None,
            &[(7, Nothing, false)],
        ),
        head("vector", Task::Embedding, 2, Pooling::Mean, &[]),
        head(
            "early",
            Task::Sequence,
            0,
            Pooling::First,
            &[(20, Relu, false), (2, Nothing, false)],
        ),
        head(
            "alone",
            Task::Sequence,
            3,
            Pooling::First,
            &[(4, Nothing, false)],
        ),
    ]
}
