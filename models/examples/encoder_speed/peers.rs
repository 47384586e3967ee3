//! The other side of comparisons: candle-transformers in this process, Python over a pipe.

use std::collections::HashMap;
use std::io::{BufRead, Write};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{bert, modernbert};
use commutator_models::encoder::{Encoder, Packed};
use commutator_models::native::Precision;
use commutator_models::weights::{Linear, Matrix, Norm};

use super::shapes::Shape;
use super::{Failure, clock, encoders};

/// The weights under the names of their family's checkpoints.
fn tensors(shape: &Shape) -> Result<HashMap<String, Tensor>, Failure> {
    let weights = shape.weights();
    let mut all = HashMap::new();
    let mut matrix = |name: String, part: &Matrix| -> Result<(), Failure> {
        let tensor = Tensor::from_vec(part.to_f32(), (part.rows, part.columns), &Device::Cpu)?;
        all.insert(name, tensor);
        Ok(())
    };
    let mut vectors: Vec<(String, Vec<f32>)> = Vec::new();
    let mut norm = |name: String, part: &Norm| {
        vectors.push((format!("{name}.weight"), part.weight.clone()));
        if let Some(bias) = &part.bias {
            vectors.push((format!("{name}.bias"), bias.clone()));
        }
    };
    let segment = &weights.segments[0];
    let mut biases = Vec::new();
    let mut linear = |matrix: &mut dyn FnMut(String, &Matrix) -> Result<(), Failure>,
                      name: String,
                      part: &Linear| {
        if let Some(bias) = &part.bias {
            biases.push((format!("{name}.bias"), bias.clone()));
        }
        matrix(format!("{name}.weight"), &part.weight)
    };
    if shape.modern {
        matrix(
            "model.embeddings.tok_embeddings.weight".to_owned(),
            &weights.embeddings.words,
        )?;
        if let Some(part) = &weights.embeddings.norm {
            norm("model.embeddings.norm".to_owned(), part);
        }
        for (index, layer) in segment.layers.iter().enumerate() {
            let name = format!("model.layers.{index}");
            if let Some(part) = &layer.attention_norm {
                norm(format!("{name}.attn_norm"), part);
            }
            norm(format!("{name}.mlp_norm"), &layer.feed_forward_norm);
            linear(&mut matrix, format!("{name}.attn.Wqkv"), &layer.qkv)?;
            linear(&mut matrix, format!("{name}.attn.Wo"), &layer.attention_out)?;
            linear(&mut matrix, format!("{name}.mlp.Wi"), &layer.up)?;
            linear(&mut matrix, format!("{name}.mlp.Wo"), &layer.down)?;
        }
        if let Some(part) = &segment.final_norm {
            norm("model.final_norm".to_owned(), part);
        }
    } else {
        matrix(
            "embeddings.word_embeddings.weight".to_owned(),
            &weights.embeddings.words,
        )?;
        if let Some(positions) = &weights.embeddings.positions {
            matrix(
                "embeddings.position_embeddings.weight".to_owned(),
                positions,
            )?;
        }
        let types = weights.embeddings.token_type.clone().unwrap_or_default();
        let types = Matrix {
            rows: 2,
            columns: shape.hidden,
            values: commutator_models::weights::Values::F32([types.clone(), types].concat()),
        };
        matrix("embeddings.token_type_embeddings.weight".to_owned(), &types)?;
        if let Some(part) = &weights.embeddings.norm {
            norm("embeddings.LayerNorm".to_owned(), part);
        }
        for (index, layer) in segment.layers.iter().enumerate() {
            let name = format!("encoder.layer.{index}");
            let hidden = shape.hidden;
            let values = layer.qkv.weight.to_f32();
            let bias = layer.qkv.bias.clone().unwrap_or_default();
            for (part, name_of) in ["query", "key", "value"].iter().enumerate() {
                let piece = Linear {
                    weight: Matrix {
                        rows: hidden,
                        columns: hidden,
                        values: commutator_models::weights::Values::F32(
                            values[part * hidden * hidden..(part + 1) * hidden * hidden].to_vec(),
                        ),
                    },
                    bias: Some(bias[part * hidden..(part + 1) * hidden].to_vec()),
                };
                linear(
                    &mut matrix,
                    format!("{name}.attention.self.{name_of}"),
                    &piece,
                )?;
            }
            linear(
                &mut matrix,
                format!("{name}.attention.output.dense"),
                &layer.attention_out,
            )?;
            linear(&mut matrix, format!("{name}.intermediate.dense"), &layer.up)?;
            linear(&mut matrix, format!("{name}.output.dense"), &layer.down)?;
            if let Some(part) = &layer.attention_norm {
                norm(format!("{name}.attention.output.LayerNorm"), part);
            }
            norm(format!("{name}.output.LayerNorm"), &layer.feed_forward_norm);
        }
    }
    for (name, vector) in vectors.into_iter().chain(biases) {
        all.insert(name, Tensor::new(vector, &Device::Cpu)?);
    }
    Ok(all)
}

/// The stock model.
pub(crate) enum Candle {
    Bert(Box<bert::BertModel>),
    Modern(Box<modernbert::ModernBert>),
}

impl Candle {
    pub(crate) fn new(shape: &Shape) -> Result<Self, Failure> {
        let vb = VarBuilder::from_tensors(tensors(shape)?, DType::F32, &Device::Cpu);
        if shape.modern {
            let config = modernbert::Config {
                vocab_size: shape.vocabulary,
                hidden_size: shape.hidden,
                num_hidden_layers: shape.layers,
                num_attention_heads: shape.heads,
                intermediate_size: shape.inner,
                max_position_embeddings: shape.max_tokens,
                layer_norm_eps: 1e-5,
                pad_token_id: 0,
                global_attn_every_n_layers: 3,
                global_rope_theta: 160_000.0,
                local_attention: 128,
                local_rope_theta: 10_000.0,
                classifier_config: None,
            };
            return Ok(Self::Modern(Box::new(modernbert::ModernBert::load(
                vb, &config,
            )?)));
        }
        let config = bert::Config {
            vocab_size: shape.vocabulary,
            hidden_size: shape.hidden,
            num_hidden_layers: shape.layers,
            num_attention_heads: shape.heads,
            intermediate_size: shape.inner,
            max_position_embeddings: shape.max_tokens,
            layer_norm_eps: 1e-5,
            type_vocab_size: 2,
            ..bert::Config::default()
        };
        Ok(Self::Bert(Box::new(bert::BertModel::load(vb, &config)?)))
    }

    /// What the stock model makes of a batch of equally long sequences.
    pub(crate) fn forward(&self, batch: &Packed) -> Result<Tensor, Failure> {
        let ids = Tensor::new(batch.ids(), &Device::Cpu)?
            .reshape((batch.sequences(), batch.longest()))?;
        match self {
            Self::Bert(model) => Ok(model.forward(&ids, &ids.zeros_like()?, None)?),
            Self::Modern(model) => {
                let mask = Tensor::ones(ids.shape(), DType::F32, &Device::Cpu)?;
                Ok(model.forward(&ids, &mask)?)
            }
        }
    }

    /// Milliseconds of a forward pass.
    pub(crate) fn time(&self, threads: usize, batch: &Packed) -> Result<f64, Failure> {
        clock(threads, || {
            std::hint::black_box(self.forward(batch)?);
            Ok(())
        })
    }
}

/// Writes the weights to a file.
pub(crate) fn export(shape: &Shape, file: &str) -> Result<(), Failure> {
    Ok(candle_core::safetensors::save(&tensors(shape)?, file)?)
}

/// What a line of the input asks for: `PRECISION THREADS BATCH TOKENS HEADS`. No heads: every token's vector. `mix` and
/// `alone` in place of a batch are requests of different lengths, all in one or one after another.
struct Asked<'a> {
    precision: &'a str,
    threads: usize,
    batches: Vec<Packed>,
    heads: Vec<usize>,
}

impl<'a> Asked<'a> {
    fn parse(shape: &Shape, line: &'a str) -> Result<Self, Failure> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [precision, threads, batch, tokens, heads] = words.as_slice() else {
            return Err("PRECISION THREADS BATCH TOKENS HEADS".into());
        };
        let batches = match *batch {
            "mix" => vec![shape.mix().0],
            "alone" => shape.mix().1,
            batch => vec![shape.batch(batch.parse()?, tokens.parse()?)],
        };
        let heads = match heads.parse()? {
            0 => vec![0],
            heads => (1..=heads).collect(),
        };
        Ok(Self {
            precision,
            threads: threads.parse()?,
            batches,
            heads,
        })
    }
}

/// Answers each line of the input with a time.
pub(crate) fn worker(shape: &Shape) -> Result<(), Failure> {
    let encoders = encoders(shape, &[1, 2])?;
    answer(shape, |asked| {
        let precision = Precision::ALL
            .into_iter()
            .find(|precision| precision.to_string() == asked.precision);
        let precision = precision.ok_or("no such precision")?;
        let encoder = encoders
            .get(&(precision, asked.threads))
            .ok_or("1 or 2 threads")?;
        clock(asked.threads, || {
            for batch in &asked.batches {
                std::hint::black_box(encoder.forward(batch, &asked.heads)?);
            }
            Ok(())
        })
    })
}

/// The same for the stock model, which has one precision and no heads; its threads are its environment's.
pub(crate) fn candle_worker(shape: &Shape) -> Result<(), Failure> {
    let candle = Candle::new(shape)?;
    answer(shape, |asked| {
        let times = asked
            .batches
            .iter()
            .map(|batch| candle.time(asked.threads, batch));
        times.sum()
    })
}

fn answer(shape: &Shape, run: impl Fn(&Asked<'_>) -> Result<f64, Failure>) -> Result<(), Failure> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        println!("{}", run(&Asked::parse(shape, &line)?)?);
        std::io::stdout().flush()?;
    }
    Ok(())
}
