//! Random weights in the shapes of two well-known models.

use commutator_models::encoder::{HeadInfo, Packed, Task};
use commutator_models::rotary::Rotary;
use commutator_models::weights::{
    Activation, Embeddings, EncoderWeights, Head, Layer, Linear, Matrix, Norm, NormOrder, Pooling,
    Positions, Segment, Stage, Then, Values,
};

/// The shape of a model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) modern: bool,
    pub(crate) hidden: usize,
    pub(crate) heads: usize,
    pub(crate) inner: usize,
    pub(crate) layers: usize,
    /// Small: what a lookup costs does not depend on it.
    pub(crate) vocabulary: usize,
    pub(crate) max_tokens: usize,
}

pub(crate) const SHAPES: [Shape; 2] = [
    Shape {
        name: "modernbert-base",
        modern: true,
        hidden: 768,
        heads: 12,
        inner: 1152,
        layers: 22,
        vocabulary: 2000,
        max_tokens: 1024,
    },
    Shape {
        name: "minilm-l6",
        modern: false,
        hidden: 384,
        heads: 12,
        inner: 1536,
        layers: 6,
        vocabulary: 2000,
        max_tokens: 512,
    },
];

/// Classifiers on the trunk.
pub(crate) const HEADS: usize = 3;

/// Their labels: as many as 17 kinds of spans have.
const LABELS: usize = 35;

/// Tokens of sixteen requests, 2622 in all.
const MIX: [usize; 16] = [
    404, 9, 209, 65, 128, 20, 308, 84, 33, 240, 153, 48, 363, 105, 273, 180,
];

impl Shape {
    /// Weights of the linear maps that every token goes through.
    pub(crate) fn linear_weights(&self) -> usize {
        let up = if self.modern { 2 } else { 1 } * self.inner;
        self.layers * self.hidden * (4 * self.hidden + up + self.inner)
    }

    /// Multiplications and additions of a forward pass: linear maps, and attention over what a token sees.
    pub(crate) fn operations(&self, batch: usize, tokens: usize) -> f64 {
        let seen = |layer: usize| {
            if self.modern && !layer.is_multiple_of(3) {
                (0..tokens)
                    .map(|at| tokens.min(at + 65) - at.saturating_sub(64))
                    .sum::<usize>()
            } else {
                tokens * tokens
            }
        };
        let attention: usize = (0..self.layers)
            .map(|layer| 4 * self.hidden * seen(layer))
            .sum();
        (batch * (2 * tokens * self.linear_weights() + attention)) as f64
    }

    /// `batch` sequences of `tokens` tokens.
    pub(crate) fn batch(&self, batch: usize, tokens: usize) -> Packed {
        self.sequences(&vec![tokens; batch])
    }

    /// Requests of different lengths: all in one, and each by itself.
    pub(crate) fn mix(&self) -> (Packed, Vec<Packed>) {
        let alone = MIX.iter().map(|tokens| self.sequences(&[*tokens]));
        (self.sequences(&MIX), alone.collect())
    }

    fn sequences(&self, lengths: &[usize]) -> Packed {
        let mut random = Random(lengths.iter().sum::<usize>() as u64);
        let mut packed = Packed::default();
        for tokens in lengths.iter().copied() {
            let ids: Vec<u32> = (0..tokens)
                .map(|_| (random.next() % self.vocabulary as u64) as u32)
                .collect();
            packed.push(&ids);
        }
        packed
    }

    /// Random weights; always the same.
    pub(crate) fn weights(&self) -> EncoderWeights {
        let mut random = Random(1);
        let Self { hidden, inner, .. } = *self;
        let up = if self.modern { 2 } else { 1 } * inner;
        let layers = (0..self.layers)
            .map(|index| Layer {
                attention_norm: (!self.modern || index > 0).then(|| self.norm()),
                qkv: self.linear(&mut random, 3 * hidden, hidden),
                attention_out: self.linear(&mut random, hidden, hidden),
                feed_forward_norm: self.norm(),
                up: self.linear(&mut random, up, hidden),
                down: self.linear(&mut random, hidden, inner),
                local: self.modern && !index.is_multiple_of(3),
            })
            .collect();
        EncoderWeights {
            hidden,
            attention_heads: self.heads,
            max_tokens: self.max_tokens,
            norm_eps: 1e-5,
            norm_order: if self.modern {
                NormOrder::Pre
            } else {
                NormOrder::Post
            },
            activation: if self.modern {
                Activation::GeGlu
            } else {
                Activation::Gelu
            },
            embeddings: Embeddings {
                words: random.matrix(self.vocabulary, hidden),
                positions: (!self.modern).then(|| random.matrix(self.max_tokens, hidden)),
                first_position: 0,
                token_type: (!self.modern).then(|| vec![0.01; hidden]),
                norm: Some(self.norm()),
            },
            positions: if self.modern {
                Positions::Rotary {
                    global: Rotary::plain(160_000.0),
                    local: Rotary::plain(10_000.0),
                    window: 64,
                }
            } else {
                Positions::Absolute
            },
            segments: vec![Segment {
                name: "trunk".to_owned(),
                parent: None,
                layers,
                final_norm: self.modern.then(|| self.norm()),
            }],
            heads: self.heads(&mut random),
        }
    }

    /// First every token's vector, so that nothing is left out; then [`HEADS`] classifiers of tokens.
    fn heads(&self, random: &mut Random) -> Vec<Head> {
        let mut head = |name: String, width: usize, classify: bool| Head {
            info: HeadInfo {
                name,
                task: Task::Token,
                labels: Vec::new(),
                width,
            },
            segment: 0,
            pooling: Pooling::None,
            stages: classify
                .then(|| Stage {
                    linear: self.linear(random, width, self.hidden),
                    then: Then::Nothing,
                    norm: None,
                })
                .into_iter()
                .collect(),
        };
        let mut all = vec![head("tokens".to_owned(), self.hidden, false)];
        all.extend((0..HEADS).map(|index| head(format!("head {index}"), LABELS, true)));
        all
    }

    fn norm(&self) -> Norm {
        Norm {
            weight: vec![1.0; self.hidden],
            bias: (!self.modern).then(|| vec![0.0; self.hidden]),
        }
    }

    fn linear(&self, random: &mut Random, rows: usize, columns: usize) -> Linear {
        Linear {
            weight: random.matrix(rows, columns),
            bias: (!self.modern).then(|| vec![0.01; rows]),
        }
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Normally distributed, as trained weights nearly are: how far the largest of a row stands out decides what int8
    /// makes of the others.
    fn normal(&mut self) -> f32 {
        let mut uniform = || (self.next() + 1) as f32 / (1u64 << 31) as f32;
        let (a, b) = (uniform(), uniform());
        (-2.0 * a.ln()).sqrt() * (std::f32::consts::TAU * b).cos()
    }

    fn matrix(&mut self, rows: usize, columns: usize) -> Matrix {
        let size = (1.0 / columns as f32).sqrt();
        let values = (0..rows * columns).map(|_| self.normal() * size).collect();
        Matrix {
            rows,
            columns,
            values: Values::F32(values),
        }
    }
}
