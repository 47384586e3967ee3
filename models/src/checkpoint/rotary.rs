//! ModernBERT's rotary angles, in the spellings of transformers 4 and 5.
//!
//! - Transformers 4: `global_rope_theta`, `local_rope_theta` (null: as the global one), and `rope_scaling` for all
//!   layers, whose kind is called `rope_type` or `type`.
//! - Transformers 5: `rope_parameters.full_attention` and `rope_parameters.sliding_attention`.
//!
//! Where both are there, `rope_scaling` wins field by field, as in transformers 5. What is left out has the defaults of
//! transformers. In two places transformers 5.23 overlooks what a file says, and this reader, as transformers 4, does
//! not: the kind in a `rope_scaling` that calls it `type`, and `truncate`.

use serde_json::{Map, Value};

use super::error::ReadError;
use super::json::Json;
use crate::rotary::{Llama3, Rotary, Scaling, Yarn};

/// What transformers takes where the configuration says nothing.
const GLOBAL_THETA: f64 = 160_000.0;
const LOCAL_THETA: f64 = 10_000.0;
const BETA_FAST: f64 = 32.0;
const BETA_SLOW: f64 = 1.0;

/// The angles of layers that see everything, and of those with a window. `positions` is the longest sequence.
pub(super) fn read(json: &Json, positions: usize) -> Result<(Rotary, Rotary), ReadError> {
    refuse_flat(json)?;
    let global = Fields::new(json, "full_attention")?;
    let older = json.number(&["global_rope_theta"])?;
    let global = global.rotary(positions, older.unwrap_or(GLOBAL_THETA))?;
    let local = Fields::new(json, "sliding_attention")?;
    let older = match json.fields.get("local_rope_theta") {
        Some(Value::Null) => global.theta,
        _ => json.number(&["local_rope_theta"])?.unwrap_or(LOCAL_THETA),
    };
    Ok((global, local.rotary(positions, older)?))
}

/// Scaling directly in `rope_parameters`, for which transformers' ModernBERT has no use.
fn refuse_flat(json: &Json) -> Result<(), ReadError> {
    let flat = |name: &str| json.fields.get("rope_parameters")?.get(name)?.as_str();
    match flat("rope_type").or_else(|| flat("type")) {
        None | Some("default") => Ok(()),
        Some(kind) => Err(json.wrong(
            "rope_parameters",
            &format!(
                "asks for \"{kind}\" angles outside of full_attention and sliding_attention, where they would be \
                 overlooked"
            ),
        )),
    }
}

/// The fields about one kind of layer; the first place that has one counts.
struct Fields<'a> {
    json: &'a Json,
    places: Vec<(String, &'a Map<String, Value>)>,
}

impl<'a> Fields<'a> {
    fn new(json: &'a Json, kind: &str) -> Result<Self, ReadError> {
        let mut places = Vec::new();
        let mut add = |name: String, value: Option<&'a Value>| match value {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Object(fields)) => {
                places.push((name, fields));
                Ok(())
            }
            Some(other) => Err(json.wrong(&name, &format!("is {other}, not an object"))),
        };
        add("rope_scaling".to_owned(), json.fields.get("rope_scaling"))?;
        let parameters = json.fields.get("rope_parameters");
        add(
            format!("rope_parameters.{kind}"),
            parameters.and_then(|parameters| parameters.get(kind)),
        )?;
        Ok(Self { json, places })
    }

    /// The field's full name, and what it says.
    fn find(&self, name: &str) -> Option<(String, &'a Value)> {
        self.places.iter().find_map(|(place, fields)| {
            let value = fields.get(name).filter(|value| !value.is_null())?;
            Some((format!("{place}.{name}"), value))
        })
    }

    /// A number from `least` on.
    fn number(&self, name: &str, least: f64) -> Result<Option<f64>, ReadError> {
        let Some((field, value)) = self.find(name) else {
            return Ok(None);
        };
        match value.as_f64().filter(|number| *number >= least) {
            Some(number) => Ok(Some(number)),
            None => Err(self.json.wrong(
                &field,
                &format!("is {value}, not a number of at least {least}"),
            )),
        }
    }

    /// The same, of a field that must be there.
    fn needed(&self, name: &str, least: f64) -> Result<f64, ReadError> {
        match self.number(name, least)? {
            Some(number) => Ok(number),
            None => Err(self.missing(name)),
        }
    }

    fn missing(&self, name: &str) -> ReadError {
        let place = self.places.first().map_or("rope_scaling", |place| &place.0);
        self.json.wrong(&format!("{place}.{name}"), "is missing")
    }

    /// Yes where no place has it.
    fn flag(&self, name: &str) -> Result<bool, ReadError> {
        match self.find(name) {
            None => Ok(true),
            Some((_, Value::Bool(flag))) => Ok(*flag),
            Some((field, value)) => Err(self
                .json
                .wrong(&field, &format!("is {value}, not true or false"))),
        }
    }

    /// Tokens that the model was first trained on.
    fn original_tokens(&self, positions: usize) -> Result<usize, ReadError> {
        let tokens = self.number("original_max_position_embeddings", 1.0)?;
        Ok(tokens.map_or(positions, |tokens| tokens as usize))
    }

    fn rotary(&self, positions: usize, theta: f64) -> Result<Rotary, ReadError> {
        let theta = match self.find("rope_theta") {
            None => theta,
            Some((field, value)) => value.as_f64().ok_or_else(|| {
                self.json
                    .wrong(&field, &format!("is {value}, not a number"))
            })?,
        };
        if !(theta.is_finite() && theta > 1.0) {
            let field = self.find("rope_theta").map(|(field, _)| field);
            return Err(self.json.wrong(
                field.as_deref().unwrap_or("rope_theta"),
                &format!("gives {theta} as the base of the angles"),
            ));
        }
        Ok(Rotary {
            theta,
            scaling: self.scaling(positions)?,
        })
    }

    fn scaling(&self, positions: usize) -> Result<Scaling, ReadError> {
        if let Some((field, part)) = self.find("partial_rotary_factor")
            && part.as_f64() != Some(1.0)
        {
            let problem = format!("is {part}; only whole heads are turned");
            return Err(self.json.wrong(&field, &problem));
        }
        let Some((field, kind)) = self.kind() else {
            return Ok(Scaling::None);
        };
        match kind.as_str() {
            Some("default") => Ok(Scaling::None),
            Some("linear") => Ok(Scaling::Linear {
                factor: self.needed("factor", 1.0)?,
            }),
            Some("yarn") => Ok(Scaling::Yarn(self.yarn(positions)?)),
            Some("llama3") => Ok(Scaling::Llama3(self.llama3(positions)?)),
            _ => Err(self.json.wrong(
                &field,
                &format!("is {kind}; run are default, linear, llama3 and yarn"),
            )),
        }
    }

    /// Which scaling; in each place `rope_type` counts before its older name `type`.
    fn kind(&self) -> Option<(String, &'a Value)> {
        self.places.iter().find_map(|(place, fields)| {
            ["rope_type", "type"].into_iter().find_map(|name| {
                let value = fields.get(name).filter(|value| !value.is_null())?;
                Some((format!("{place}.{name}"), value))
            })
        })
    }

    fn yarn(&self, positions: usize) -> Result<Yarn, ReadError> {
        let original_tokens = self.original_tokens(positions)?;
        let factor = self
            .number("factor", 1.0)?
            .unwrap_or(positions as f64 / original_tokens as f64);
        let nonzero = |name| Ok(self.number(name, 0.0)?.filter(|number| *number > 0.0));
        let mscales = (nonzero("mscale")?, nonzero("mscale_all_dim")?);
        let size = match (self.number("attention_factor", 0.0)?, mscales) {
            (Some(size), _) => size,
            (None, (Some(one), Some(all))) => {
                Yarn::usual_size(factor, one) / Yarn::usual_size(factor, all)
            }
            (None, _) => Yarn::usual_size(factor, 1.0),
        };
        Ok(Yarn {
            factor,
            original_tokens,
            beta_fast: nonzero("beta_fast")?.unwrap_or(BETA_FAST),
            beta_slow: nonzero("beta_slow")?.unwrap_or(BETA_SLOW),
            size,
            truncate: self.flag("truncate")?,
        })
    }

    fn llama3(&self, positions: usize) -> Result<Llama3, ReadError> {
        let low_frequency = self.needed("low_freq_factor", f64::MIN_POSITIVE)?;
        let high_frequency = self.needed("high_freq_factor", f64::MIN_POSITIVE)?;
        if high_frequency <= low_frequency {
            let field = self.find("high_freq_factor").map(|(field, _)| field);
            return Err(self.json.wrong(
                field.as_deref().unwrap_or("high_freq_factor"),
                &format!(
                    "is {high_frequency}, which is not above `low_freq_factor` {low_frequency}"
                ),
            ));
        }
        Ok(Llama3 {
            factor: self.needed("factor", 1.0)?,
            low_frequency,
            high_frequency,
            original_tokens: self.original_tokens(positions)?,
        })
    }
}

#[cfg(test)]
mod tests;
