//! The angles of rotary positions, for all backends.
//!
//! Rotary positions (Su and others, "RoFormer", arXiv 2104.09864) turn the pairs of numbers of queries and keys: pair
//! `i` of a head `width` numbers wide turns by `theta^(-2i / width)` a token. [`Scaling`] slows turns down so that a
//! model reads longer texts than it was first trained on.

use std::f64::consts::PI;

/// The turns of one kind of layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rotary {
    /// The base of the speeds, above 1.
    pub theta: f64,
    /// What slows them down.
    pub scaling: Scaling,
}

/// How the turns of a model are slowed down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scaling {
    /// They are not.
    None,
    /// All alike: position interpolation (Chen and others, arXiv 2306.15595).
    Linear {
        /// Every speed is divided by it.
        factor: f64,
    },
    /// Slow pairs more than fast ones, and all attention a little sharper.
    Yarn(Yarn),
    /// Slow pairs only, as Llama 3.1 does.
    Llama3(Llama3),
}

/// YaRN (Peng and others, arXiv 2309.00071).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Yarn {
    /// The speeds of slow pairs are divided by it.
    pub factor: f64,
    /// Tokens that the model was first trained on.
    pub original_tokens: usize,
    /// Pairs that turn at least so many times within the original tokens keep their speed.
    pub beta_fast: f64,
    /// Pairs that turn at most so many times are slowed down fully; those between, partly.
    pub beta_slow: f64,
    /// Cosines and sines are multiplied by it.
    pub size: f64,
    /// Whether the bounds between fast and slow are rounded outwards to whole pairs.
    pub truncate: bool,
}

/// What Llama 3.1 does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Llama3 {
    /// The speeds of slow pairs are divided by it.
    pub factor: f64,
    /// Pairs that turn less often within the original tokens are slowed down fully.
    pub low_frequency: f64,
    /// Pairs that turn more often keep their speed; those between are slowed down partly.
    pub high_frequency: f64,
    /// Tokens that the model was first trained on.
    pub original_tokens: usize,
}

/// Cosines and sines: for each position half as many as a head has numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Turns {
    /// The cosines.
    pub cos: Vec<f32>,
    /// The sines.
    pub sin: Vec<f32>,
}

impl Rotary {
    /// Turns that nothing slows down.
    #[must_use]
    pub fn plain(theta: f64) -> Self {
        Self {
            theta,
            scaling: Scaling::None,
        }
    }

    /// Cosines and sines of the positions below `positions`, for heads `width` numbers wide.
    ///
    /// Angles are 32 bits wide and the product of position and speed, as the models were trained: in exact arithmetic
    /// they would differ by a thousandth at position 30,000.
    #[must_use]
    pub fn turns(&self, width: usize, positions: usize) -> Turns {
        let speeds = self.speeds(width);
        let size = self.size();
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        cos.reserve_exact(positions * speeds.len());
        sin.reserve_exact(positions * speeds.len());
        for position in 0..positions {
            for speed in &speeds {
                let angle = position as f32 * speed;
                cos.push(angle.cos() * size);
                sin.push(angle.sin() * size);
            }
        }
        Turns { cos, sin }
    }

    /// The angle that each pair turns by from one token to the next.
    ///
    /// The formulas are those of transformers (`modeling_rope_utils.py`), which follow the papers.
    #[must_use]
    pub fn speeds(&self, width: usize) -> Vec<f32> {
        let pairs = width / 2;
        let plain = (0..pairs).map(|pair| {
            let power = self.theta.powf(2.0 * pair as f64 / width as f64);
            1.0 / (power as f32)
        });
        match self.scaling {
            Scaling::None => plain.collect(),
            Scaling::Linear { factor } => plain.map(|speed| speed / factor as f32).collect(),
            Scaling::Yarn(yarn) => {
                let (first, last) = yarn.bounds(self.theta, width);
                let slowed = |(pair, speed): (usize, f32)| {
                    let part = ((pair as f64 - first) / (last - first)).clamp(0.0, 1.0) as f32;
                    speed / yarn.factor as f32 * part + speed * (1.0 - part)
                };
                plain.enumerate().map(slowed).collect()
            }
            Scaling::Llama3(llama) => plain.map(|speed| llama.slowed(speed)).collect(),
        }
    }

    /// What cosines and sines are multiplied by.
    fn size(&self) -> f32 {
        match self.scaling {
            Scaling::Yarn(yarn) => yarn.size as f32,
            Scaling::None | Scaling::Linear { .. } | Scaling::Llama3(_) => 1.0,
        }
    }
}

impl Yarn {
    /// The paper's size for a factor, `0.1 ln(factor) + 1`, where `mscale` stretches the logarithm.
    #[must_use]
    pub fn usual_size(factor: f64, mscale: f64) -> f64 {
        if factor <= 1.0 {
            1.0
        } else {
            0.1 * mscale * factor.ln() + 1.0
        }
    }

    /// The pairs between which speeds go over from kept to slowed down: a pair turns `n` times within `T` tokens where
    /// `n = T / (2π theta^(2 pair / width))`.
    fn bounds(&self, theta: f64, width: usize) -> (f64, f64) {
        let pair = |turns: f64| {
            let tokens = self.original_tokens as f64;
            width as f64 * (tokens / (turns * 2.0 * PI)).ln() / (2.0 * theta.ln())
        };
        let (mut first, mut last) = (pair(self.beta_fast), pair(self.beta_slow));
        if self.truncate {
            (first, last) = (first.floor(), last.ceil());
        }
        first = first.max(0.0);
        last = last.min(width as f64 - 1.0);
        if first == last {
            // A step, not a division by zero; the number is that of transformers.
            last += 0.001;
        }
        (first, last)
    }
}

impl Llama3 {
    fn slowed(&self, speed: f32) -> f32 {
        let turns = self.original_tokens as f32 / (2.0 * std::f32::consts::PI / speed);
        let (low, high) = (self.low_frequency as f32, self.high_frequency as f32);
        let slow = speed / self.factor as f32;
        if turns > high {
            speed
        } else if turns < low {
            slow
        } else {
            let part = (turns - low) / (high - low);
            (1.0 - part) * slow + part * speed
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)]
mod tests {
    use super::*;

    const YARN: Yarn = Yarn {
        factor: 4.0,
        original_tokens: 8192,
        beta_fast: 32.0,
        beta_slow: 1.0,
        size: 1.0,
        truncate: true,
    };

    fn speeds(scaling: Scaling) -> Vec<f32> {
        let theta = 160_000.0;
        Rotary { theta, scaling }.speeds(64)
    }

    #[test]
    fn yarn_keeps_fast_pairs_and_slows_slow_ones_down() {
        let (plain, yarn) = (speeds(Scaling::None), speeds(Scaling::Yarn(YARN)));
        let ratios: Vec<f32> = plain.iter().zip(&yarn).map(|(a, b)| a / b).collect();
        // 64 / 2 * ln(8192 / (2π * 32)) / ln(160000) = 9.9, and for one turn 19.1.
        assert!(ratios[..=9].iter().all(|ratio| *ratio == 1.0), "{ratios:?}");
        assert!(ratios[10..20].windows(2).all(|two| two[0] < two[1]));
        assert!(ratios[20..].iter().all(|ratio| (ratio - 4.0).abs() < 1e-5));
    }

    #[test]
    fn bounds_that_are_not_rounded_lie_between_pairs() {
        let loose = Yarn {
            truncate: false,
            ..YARN
        };
        let (first, last) = loose.bounds(160_000.0, 64);
        assert!((first - 9.90).abs() < 0.01 && (last - 19.15).abs() < 0.01);
        assert_ne!(speeds(Scaling::Yarn(YARN)), speeds(Scaling::Yarn(loose)));
    }

    #[test]
    fn bounds_that_fall_together_are_no_division_by_zero() {
        let short = Yarn {
            original_tokens: 1,
            ..YARN
        };
        let slow = speeds(Scaling::Yarn(short));
        assert!(slow.iter().all(|speed| speed.is_finite()));
    }

    #[test]
    fn the_size_is_the_papers() {
        assert_eq!(Yarn::usual_size(1.0, 1.0), 1.0);
        assert!((Yarn::usual_size(4.0, 1.0) - 1.138_629).abs() < 1e-6);
        let big = Rotary {
            theta: 160_000.0,
            scaling: Scaling::Yarn(Yarn { size: 2.0, ..YARN }),
        };
        let turns = big.turns(4, 3);
        assert_eq!((turns.cos.len(), turns.cos[0], turns.sin[0]), (6, 2.0, 0.0));
        assert!((turns.sin[2] - 2.0 * 1.0_f32.sin()).abs() < 1e-6);
    }

    #[test]
    fn a_factor_of_one_changes_nothing() {
        let plain = speeds(Scaling::None);
        let llama = Llama3 {
            factor: 1.0,
            low_frequency: 1.0,
            high_frequency: 4.0,
            original_tokens: 8192,
        };
        assert_eq!(speeds(Scaling::Linear { factor: 1.0 }), plain);
        let close = |found: Vec<f32>| {
            let pairs = found.iter().zip(&plain);
            pairs.map(|(a, b)| (a / b - 1.0).abs()).fold(0.0, f32::max) < 1e-6
        };
        assert!(close(speeds(Scaling::Llama3(llama))));
        assert!(close(speeds(Scaling::Yarn(Yarn {
            factor: 1.0,
            ..YARN
        }))));
    }

    #[test]
    fn llama_slows_down_what_turns_less_than_once() {
        let llama = Llama3 {
            factor: 8.0,
            low_frequency: 1.0,
            high_frequency: 4.0,
            original_tokens: 8192,
        };
        let (plain, found) = (speeds(Scaling::None), speeds(Scaling::Llama3(llama)));
        for (plain, found) in plain.iter().zip(&found) {
            let turns = 8192.0 * plain / (2.0 * std::f32::consts::PI);
            let ratio = plain / found;
            match turns {
                4.0.. => assert_eq!(ratio, 1.0),
                ..1.0 => assert!((ratio - 8.0).abs() < 1e-5),
                _ => assert!(ratio > 1.0 && ratio < 8.0),
            }
        }
    }
}
