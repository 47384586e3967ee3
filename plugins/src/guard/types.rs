//! Which types of personal data count.

use std::collections::BTreeMap;

use commutator_models::rules::Kind;

use crate::policy::compile::hint;
use crate::problem::Problems;

/// The types that the bundle's model finds besides what rules find.
const OF_THE_MODEL: [&str; 4] = ["GPE", "NRP", "ORGANIZATION", "PERSON"];

/// Types that count unless the policy names others, besides the ones that [`Kind::sensitive`] names.
const BY_DEFAULT: [&str; 2] = ["EMAIL_ADDRESS", "PHONE_NUMBER"];

/// A selection of types with their thresholds.
#[derive(Debug, Clone)]
pub struct Types {
    allow: Option<Vec<String>>,
    deny: Vec<String>,
    threshold: f32,
    thresholds: BTreeMap<String, f32>,
}

impl Types {
    /// Checks and builds a selection. `own` are types of the guard's own patterns, which always count. `foreign` says
    /// that a model with other types may be in use.
    #[allow(clippy::too_many_arguments)] // one for each setting
    pub fn build(
        allow: Option<&[String]>,
        deny: Option<&[String]>,
        threshold: f32,
        thresholds: &BTreeMap<String, f32>,
        own: &[&str],
        foreign: bool,
        path: &str,
        problems: &mut Problems,
    ) -> Self {
        if let (Some(_), Some(_)) = (allow, deny) {
            problems
                .error(
                    format!("{path}.allow"),
                    "`allow` and `deny` contradict each other",
                )
                .with_hint("`deny` lists the types that count, `allow` those that do not");
        }
        let mut known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.label()).collect();
        known.extend(OF_THE_MODEL);
        known.extend(own);
        let mut check = |name: &str, path: String| {
            if known.contains(&name) {
                return;
            }
            let message = format!("unknown type `{name}`");
            let problem = match foreign {
                true => problems.warning(path, message),
                false => problems.error(path, message),
            };
            if let Some(hint) = hint(name, &known) {
                problem.with_hint(hint);
            }
        };
        for (field, list) in [("allow", allow), ("deny", deny)] {
            for (index, name) in list.into_iter().flatten().enumerate() {
                check(name, format!("{path}.{field}[{index}]"));
            }
        }
        for name in thresholds.keys() {
            check(name, format!("{path}.thresholds.{name}"));
        }
        let limits = thresholds
            .iter()
            .map(|(name, limit)| (format!("thresholds.{name}"), *limit));
        for (field, limit) in limits.chain([("threshold".to_owned(), threshold)]) {
            if !(0.0..=1.0).contains(&limit) {
                problems.error(
                    format!("{path}.{field}"),
                    "a probability lies between 0 and 1",
                );
            }
        }
        let mut deny = deny.map_or_else(sensitive, <[String]>::to_vec);
        deny.extend(own.iter().map(|name| (*name).to_owned()));
        Self {
            allow: allow.map(<[String]>::to_vec),
            deny,
            threshold,
            thresholds: thresholds.clone(),
        }
    }

    /// Does a piece of this type with this probability count?
    #[must_use]
    pub fn count(&self, kind: &str, score: f32) -> bool {
        let listed = match &self.allow {
            Some(allow) => !allow.iter().any(|name| name == kind),
            None => self.deny.iter().any(|name| name == kind),
        };
        listed && score >= self.least(kind)
    }

    /// The least probability that counts for a type that is listed.
    #[must_use]
    pub fn least(&self, kind: &str) -> f32 {
        self.thresholds.get(kind).copied().unwrap_or(self.threshold)
    }
}

/// The types that are sensitive by default.
fn sensitive() -> Vec<String> {
    let ruled = Kind::ALL
        .iter()
        .filter(|kind| kind.sensitive())
        .map(|kind| kind.label());
    ruled.chain(BY_DEFAULT).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(allow: Option<&[&str]>, deny: Option<&[&str]>) -> (Types, Problems) {
        let mut problems = Problems::new();
        let owned = |list: Option<&[&str]>| {
            list.map(|l| l.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
        };
        let (allow, deny) = (owned(allow), owned(deny));
        let limits = BTreeMap::from([("PERSON".to_owned(), 0.9)]);
        let types = Types::build(
            allow.as_deref(),
            deny.as_deref(),
            0.0,
            &limits,
            &[],
            false,
            "pii",
            &mut problems,
        );
        (types, problems)
    }

    #[test]
    fn the_sensitive_types_count_by_default() {
        let (types, problems) = types(None, None);
        assert!(problems.is_empty());
        for kind in ["US_SSN", "CREDIT_CARD", "EMAIL_ADDRESS", "API_KEY"] {
            assert!(types.count(kind, 0.5), "{kind}");
        }
        for kind in ["GPE", "DATE_TIME", "PERSON"] {
            assert!(!types.count(kind, 1.0), "{kind}");
        }
    }

    #[test]
    fn allow_lists_what_does_not_count() {
        let (types, _) = types(Some(&["GPE"]), None);
        assert!(!types.count("GPE", 1.0));
        assert!(types.count("DATE_TIME", 0.1));
        assert!(types.count("PERSON", 0.9) && !types.count("PERSON", 0.8));
    }

    #[test]
    fn a_typing_error_is_no_silent_hole() {
        let (_, problems) = types(None, Some(&["US_SNN"]));
        let text = format!("{:?}", problems.iter().collect::<Vec<_>>());
        assert!(problems.has_errors() && text.contains("US_SSN"), "{text}");
    }
}
