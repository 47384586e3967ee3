//! `metadata`: the head of a request: its headers, path, model and client.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderName, Method};
use ipnet::IpNet;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::signal::{Match, Signal, SignalError};

/// Matches requests by their head. All conditions that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetadataConfig {
    /// The name that decisions use.
    pub name: String,
    /// A request header.
    #[serde(default)]
    pub header: Option<HeaderCondition>,
    /// The path without query; with `*` at the end, the beginning of the path.
    #[serde(default)]
    pub path: Option<String>,
    /// The method, for example `POST`.
    #[serde(default)]
    pub method: Option<String>,
    /// The model that the client asked for, as it wrote it.
    #[serde(default)]
    pub model: Option<String>,
    /// The client's address is one of these or in one of these networks, for example `10.0.0.0/8`.
    #[serde(default)]
    pub client: Option<Vec<String>>,
}

/// A condition on a request header. All that is given must hold for one and the same value of the header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderCondition {
    /// The header's name.
    pub name: String,
    /// The value is exactly this.
    #[serde(default)]
    pub equals: Option<String>,
    /// The value begins with this.
    #[serde(default)]
    pub prefix: Option<String>,
    /// This regular expression is found in the value; `^` and `$` are the value's ends.
    #[serde(default)]
    pub regex: Option<String>,
    /// Is the header there at all? The default, `true`, is implied by the other conditions.
    #[serde(default)]
    pub present: Option<bool>,
}

/// The rules of `metadata`.
#[derive(Debug)]
pub struct Metadata {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    header: Option<Header>,
    path: Option<String>,
    method: Option<Method>,
    model: Option<String>,
    client: Option<Vec<IpNet>>,
}

#[derive(Debug)]
struct Header {
    name: HeaderName,
    equals: Option<String>,
    prefix: Option<String>,
    regex: Option<Regex>,
    present: bool,
}

pub(super) fn build(
    rules: &[MetadataConfig],
    _context: &BuildContext<'_>,
    problems: &mut Problems,
) -> Metadata {
    Metadata {
        rules: rules
            .iter()
            .enumerate()
            .map(|(index, rule)| build_rule(rule, &format!("[{index}]"), problems))
            .collect(),
    }
}

fn build_rule(rule: &MetadataConfig, path: &str, problems: &mut Problems) -> Rule {
    let nothing = MetadataConfig {
        name: rule.name.clone(),
        ..MetadataConfig::default()
    };
    if *rule == nothing {
        problems
            .error(path, "the rule says nothing")
            .with_hint("give at least one of `header`, `path`, `method`, `model`, `client`");
    }
    if rule.client.as_ref().is_some_and(Vec::is_empty) {
        problems.error(format!("{path}.client"), "an empty list: nothing can match");
    }
    Rule {
        name: rule.name.as_str().into(),
        header: (rule.header.as_ref())
            .and_then(|header| build_header(header, &format!("{path}.header"), problems)),
        path: rule.path.clone(),
        method: rule.method.as_ref().and_then(|method| {
            let parsed = Method::from_bytes(method.to_ascii_uppercase().as_bytes());
            if parsed.is_err() {
                problems.error(
                    format!("{path}.method"),
                    format!("`{method}` is no HTTP method"),
                );
            }
            parsed.ok()
        }),
        model: rule.model.clone(),
        client: rule.client.as_ref().map(|networks| {
            let parse = |(index, text): (usize, &String)| {
                let network = text
                    .parse::<IpNet>()
                    .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
                if network.is_err() {
                    problems
                        .error(
                            format!("{path}.client[{index}]"),
                            format!("`{text}` is no IP address or network"),
                        )
                        .with_hint("write it like `10.0.0.0/8` or `2001:db8::/32`");
                }
                network.ok()
            };
            networks.iter().enumerate().filter_map(parse).collect()
        }),
    }
}

fn build_header(header: &HeaderCondition, path: &str, problems: &mut Problems) -> Option<Header> {
    let name = HeaderName::from_bytes(header.name.as_bytes());
    if name.is_err() {
        problems.error(
            format!("{path}.name"),
            format!("`{}` is no header name", header.name),
        );
    }
    let by_value = header.equals.is_some() || header.prefix.is_some() || header.regex.is_some();
    if by_value && header.present == Some(false) {
        problems.error(
            format!("{path}.present"),
            "a header that is absent has no value to compare",
        );
    }
    let regex = header.regex.as_ref().and_then(|pattern| {
        let regex = Regex::new(pattern);
        if let Err(error) = &regex {
            problems.error(format!("{path}.regex"), super::keywords::bad_regex(error));
        }
        regex.ok()
    });
    Some(Header {
        name: name.ok()?,
        equals: header.equals.clone(),
        prefix: header.prefix.clone(),
        regex,
        present: header.present.unwrap_or(true),
    })
}

impl Header {
    fn fits(&self, exchange: &Exchange) -> bool {
        let mut values = exchange.head.headers.get_all(&self.name).iter();
        if !self.present {
            return values.next().is_none();
        }
        values.any(|value| {
            let bytes = value.as_bytes();
            let text = || value.to_str().ok();
            (self.equals.as_ref()).is_none_or(|wanted| bytes == wanted.as_bytes())
                && (self.prefix.as_ref()).is_none_or(|prefix| bytes.starts_with(prefix.as_bytes()))
                && (self.regex.as_ref())
                    .is_none_or(|regex| text().is_some_and(|text| regex.is_match(text)))
        })
    }
}

impl Rule {
    fn fits(&self, exchange: &Exchange) -> bool {
        let head = &exchange.head;
        self.method.as_ref().is_none_or(|m| *m == head.method)
            && (self.path.as_ref()).is_none_or(|path| match path.strip_suffix('*') {
                Some(beginning) => head.path.starts_with(beginning),
                None => head.path == *path,
            })
            && (self.model.as_ref()).is_none_or(|model| *model == exchange.requested_model)
            && self.client.as_ref().is_none_or(|networks| {
                head.client.is_some_and(|client| {
                    // A listener on `::` sees IPv4 clients as ::ffff:a.b.c.d.
                    let client = client.to_canonical();
                    networks.iter().any(|network| network.contains(&client))
                })
            })
            && (self.header.as_ref()).is_none_or(|header| header.fits(exchange))
    }
}

#[async_trait]
impl Signal for Metadata {
    fn kind(&self) -> &'static str {
        "metadata"
    }

    async fn evaluate(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        Ok(self
            .rules
            .iter()
            .map(|rule| Match {
                name: Arc::clone(&rule.name),
                matched: rule.fits(exchange),
                unknown: None,
                confidence: 1.0,
                detail: None,
            })
            .collect())
    }
}

#[cfg(test)]
mod tests;
