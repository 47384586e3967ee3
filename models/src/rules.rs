//! Rules: structured personal data and secrets, found by pattern, checksum and context words.
//!
//! Pure code without a model, linear in the length of the text. One pass of a word automaton ([`lexicon`]) notes context
//! words and the beginnings of secrets; a second one ([`scan`]) visits the words that hold digits. Only what they point
//! at is looked at more closely, so ordinary text costs little. Offsets are bytes of the text as given; undoing
//! disguises is the normaliser's work.
//!
//! What a score means:
//!
//! | evidence | score |
//! |---|---|
//! | strong checksum or proof (Luhn and issuer, mod 97, signature header, key block) | 0.99 and more |
//! | check digit and context word | 0.99 |
//! | distinctive prefix or format of one issuer | 0.95 |
//! | pattern and context word | 0.9 |
//! | distinctive pattern alone | 0.8 - 0.9 |
//! | weak pattern alone | 0.5 - 0.7 |
//!
//! ```
//! use commutator_models::rules::{Rules, RulesConfig};
//! let rules = Rules::new(&RulesConfig::default()).unwrap();
//! let found = rules.find("My SSN is 123-45-6789");
//! assert_eq!((found[0].label.as_str(), found[0].range.clone()), ("US_SSN", 10..21));
//! ```

mod address;
mod age;
mod assign;
mod bank;
mod card;
pub(crate) mod checksum;
mod crypto;
mod custom;
mod date;
mod domain;
mod email;
mod formats;
mod iban;
mod jwt;
mod kind;
mod lexicon;
mod mrz;
mod national;
mod net;
mod page;
mod pem;
mod phone;
mod provider;
mod resolve;
mod scan;
mod secret;
mod title;
mod vehicle;

pub use custom::CustomPattern;
pub use kind::Kind;

use crate::Span;
use custom::Custom;
use page::{Found, Page};

/// What the rules shall look for.
#[derive(Debug, Clone, PartialEq)]
pub struct RulesConfig {
    /// The labels to look for, built-in ones and names of custom patterns; `None` means all.
    pub labels: Option<Vec<String>>,
    /// Findings with a lower score are dropped; 0 to 1.
    pub min_score: f32,
    /// Patterns of the operator.
    pub custom: Vec<CustomPattern>,
}

impl Default for RulesConfig {
    fn default() -> Self {
        Self {
            labels: None,
            min_score: 0.5,
            custom: Vec::new(),
        }
    }
}

/// Why a configuration of rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// A label that neither a built-in rule nor a custom pattern has.
    #[error("labels: unknown label `{0}`")]
    UnknownLabel(String),
    /// A score outside 0 to 1.
    #[error("{field}: a score must lie between 0 and 1")]
    Score {
        /// The field that holds it.
        field: String,
    },
    /// A custom pattern without a name.
    #[error("custom: a pattern needs a name")]
    NoName,
    /// A custom pattern that does not compile, or is too large.
    #[error("custom pattern `{name}`: {reason}")]
    Pattern {
        /// The pattern's name.
        name: String,
        /// What the regex compiler says.
        reason: String,
    },
}

/// The compiled rules; cheap to share, holds no state between calls.
#[derive(Debug)]
pub struct Rules {
    enabled: [bool; Kind::ALL.len()],
    min_score: f32,
    custom: Vec<Custom>,
    labels: Vec<String>,
}

impl Rules {
    /// Compiles a configuration.
    ///
    /// # Errors
    /// [`RulesError`] names the field that is wrong.
    pub fn new(config: &RulesConfig) -> Result<Self, RulesError> {
        if !(0.0..=1.0).contains(&config.min_score) {
            let field = "min_score".to_owned();
            return Err(RulesError::Score { field });
        }
        let wanted = config.labels.as_deref();
        let is_wanted = |label: &str| wanted.is_none_or(|list| list.iter().any(|l| l == label));
        for label in wanted.unwrap_or_default() {
            let custom = config.custom.iter().any(|c| &c.name == label);
            if Kind::from_label(label).is_none() && !custom {
                return Err(RulesError::UnknownLabel(label.clone()));
            }
        }
        let enabled = Kind::ALL.map(|kind| is_wanted(kind.label()));
        let custom = config
            .custom
            .iter()
            .filter(|c| is_wanted(&c.name))
            .map(Custom::new)
            .collect::<Result<Vec<_>, _>>()?;
        let mut labels: Vec<String> = Kind::ALL
            .iter()
            .filter(|k| enabled[**k as usize])
            .map(|k| k.label().to_owned())
            .collect();
        for pattern in &custom {
            if !labels.iter().any(|l| l == pattern.name()) {
                labels.push(pattern.name().to_owned());
            }
        }
        Ok(Self {
            enabled,
            min_score: config.min_score,
            custom,
            labels,
        })
    }

    /// The labels that may be found.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Whether a label is blocked by default: cards, accounts, identity numbers, secrets. Custom patterns are.
    pub fn sensitive(&self, label: &str) -> bool {
        match Kind::from_label(label) {
            Some(kind) => kind.sensitive(),
            None => self.custom.iter().any(|c| c.name() == label),
        }
    }

    /// Finds the labelled pieces of `text`: in order of their start, not overlapping.
    pub fn find(&self, text: &str) -> Vec<Span> {
        let page = Page::read(text);
        let mut found: Vec<Found> = Vec::new();
        scan::words(&page, &mut found);
        scan::cues(&page, &mut found);
        email::find(&page, &mut found);
        domain::find(&page, &mut found);
        address::zips_after_streets(&page, &mut found);
        found.retain(|f| self.enabled[f.kind as usize]);
        let mut candidates: Vec<resolve::Candidate<'_>> = found
            .into_iter()
            .map(|f| resolve::Candidate {
                label: f.kind.label(),
                range: f.range,
                score: f.score,
            })
            .collect();
        for custom in &self.custom {
            custom.find(text, &mut candidates);
        }
        candidates.retain(|c| c.score >= self.min_score);
        resolve::resolve(candidates)
    }
}

#[cfg(test)]
mod tests;
