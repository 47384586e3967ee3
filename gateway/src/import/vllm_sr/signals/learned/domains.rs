//! Subjects.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Node;
use crate::import::report::Report;
use crate::import::vllm_sr::fields::Fields;
use crate::import::vllm_sr::global::Global;
use crate::import::vllm_sr::signals::{Signals, item, name};
use crate::import::vllm_sr::{text, texts};
use crate::import::write::Map;

/// The subjects that both models know (MMLU-Pro's).
const SUBJECTS: [&str; 14] = [
    "biology",
    "business",
    "chemistry",
    "computer science",
    "economics",
    "engineering",
    "health",
    "history",
    "law",
    "math",
    "other",
    "philosophy",
    "physics",
    "psychology",
];

/// The threshold that a rule has here if it says nothing.
const DEFAULT_THRESHOLD: f64 = 0.5;

struct Domain<'d> {
    name: &'d str,
    mmlu: Vec<&'d str>,
    description: Option<&'d str>,
    node: Node<'d>,
}

pub(in crate::import::vllm_sr::signals) fn domains(
    signals: &mut Signals,
    nodes: &[Node<'_>],
    global: &Global,
    used: &BTreeSet<(String, String)>,
    report: &Report,
) {
    let mut domains = Vec::new();
    for node in nodes {
        let fields = Fields::of(*node, report);
        if let Some(name) = name(&fields, report) {
            domains.push(Domain {
                name,
                mmlu: fields.words("mmlu_categories"),
                description: fields.text("description"),
                node: *node,
            });
        }
        if let Some(scores) = fields.get("model_scores") {
            report.dropped(
                scores,
                "models are chosen by decisions only, not by scores of a domain",
            );
        }
        fields.finish();
    }
    let owners = owners(&domains);
    let threshold = Some(global.domain_threshold).filter(|t| *t != DEFAULT_THRESHOLD);
    for domain in &domains {
        let subjects = subjects(domain, &owners);
        if subjects.is_empty() {
            let why = "no subject belongs to it: name one of the 14 subjects under mmlu_categories";
            signals.without("domain", domain.node, why, report);
            continue;
        }
        let own_name = subjects == [domain.name];
        let map = Map::flow()
            .with("name", text(domain.name))
            .maybe("subjects", (!own_name).then(|| texts(&subjects)))
            .maybe("threshold", threshold);
        signals.add(
            "domains",
            "domain",
            domain.name,
            item(map, domain.description),
        );
    }
    // A condition may name a subject that is not declared.
    for (_, name) in used.iter().filter(|(kind, _)| kind == "domain") {
        let declared = domains.iter().any(|domain| domain.name == name);
        if !declared && SUBJECTS.contains(&name.as_str()) && !owners.contains_key(name.as_str()) {
            let map = Map::flow()
                .with("name", text(name))
                .maybe("threshold", threshold);
            signals.add("domains", "domain", name, map.into());
        }
    }
}

/// Which domain a subject is translated to: the last one that claims it, by `mmlu_categories` or, without them, by
/// its name.
fn owners<'d>(domains: &[Domain<'d>]) -> BTreeMap<&'static str, &'d str> {
    let subject = |word: &str| SUBJECTS.into_iter().find(|s| s.eq_ignore_ascii_case(word));
    let mut owners = BTreeMap::new();
    for domain in domains {
        let claims: &[&str] = match domain.mmlu.as_slice() {
            [] => &[domain.name],
            listed => listed,
        };
        for subject in claims.iter().filter_map(|word| subject(word)) {
            owners.insert(subject, domain.name);
        }
    }
    owners
}

/// The subjects for which a condition on `domain` holds: those that are translated to it, or to a name that stands
/// in its list.
fn subjects(domain: &Domain<'_>, owners: &BTreeMap<&'static str, &str>) -> Vec<&'static str> {
    let holds = |subject: &&str| {
        let translated = owners.get(subject).copied().unwrap_or(subject);
        translated == domain.name || domain.mmlu.contains(&translated)
    };
    SUBJECTS.into_iter().filter(holds).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Document;

    #[test]
    fn a_subject_belongs_to_the_last_domain_that_claims_it() {
        let document = Document::parse("x", "a: 1").unwrap();
        let domain = |name, mmlu: &[&'static str]| Domain {
            name,
            mmlu: mmlu.to_vec(),
            description: None,
            node: document.root(),
        };
        let domains = [
            domain("money", &["business", "economics"]),
            domain("theory", &["economics"]),
            domain("math", &[]),
            domain("mine", &[]),
        ];
        let owners = owners(&domains);
        assert_eq!(subjects(&domains[0], &owners), ["business"]);
        assert_eq!(subjects(&domains[1], &owners), ["economics"]);
        assert_eq!(subjects(&domains[2], &owners), ["math"]);
        assert!(subjects(&domains[3], &owners).is_empty());
    }
}
