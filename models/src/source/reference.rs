//! What configuration says a model is: one line.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use hf_hub::{Repo, RepoType};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a model comes from.
///
/// Written `bundle`, `bundle:HEAD`, `dir:PATH`, `hub:ORG/NAME` or `hub:ORG/NAME@REVISION`. Configuration also takes a
/// key and its value, `{hub: ORG/NAME@REVISION}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The models shipped with the product.
    Bundle {
        /// One head of the bundle; without it, whichever the reader asks for.
        head: Option<String>,
    },
    /// A directory with a checkpoint, or with a bundle of one's own.
    Dir(PathBuf),
    /// A model of the hub.
    Hub(HubModel),
}

/// A model of the hub and, perhaps, which state of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HubModel {
    /// `organisation/name`; a few old models have a name only.
    pub repo: String,
    /// A branch, a tag or a commit of 40 hexadecimal digits; without it, `main`.
    pub revision: Option<String>,
}

/// Why a line is no reference to a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReferenceError {
    message: String,
}

const FORMS: &str = "`bundle`, `bundle:HEAD`, `dir:PATH` or `hub:ORG/NAME@REVISION`";
const KINDS: [&str; 3] = ["bundle", "dir", "hub"];

fn wrong(message: impl Into<String>) -> ReferenceError {
    ReferenceError {
        message: message.into(),
    }
}

impl FromStr for Source {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let text = text.trim();
        match text.split_once(':') {
            None => Self::of(text, None, text),
            Some((kind, value)) => Self::of(kind.trim(), Some(value.trim()), text),
        }
    }
}

impl Source {
    /// What a model is called in messages and metrics: the reference, and behind a slash the bundle's part where it is
    /// one.
    pub(crate) fn with_member(&self, member: Option<&str>) -> String {
        match member {
            Some(member) => format!("{self}/{member}"),
            None => self.to_string(),
        }
    }

    fn of(kind: &str, value: Option<&str>, text: &str) -> Result<Self, ReferenceError> {
        match (kind, value) {
            ("bundle", None) => Ok(Self::Bundle { head: None }),
            ("bundle", Some(head)) if is_segment(head) => Ok(Self::Bundle {
                head: Some(head.to_owned()),
            }),
            ("bundle", Some(head)) => Err(wrong(format!(
                "`{head}` is no name of a head: write `bundle:domain`, for example"
            ))),
            ("dir", Some(path)) if !path.is_empty() => Ok(Self::Dir(PathBuf::from(path))),
            ("dir", _) => Err(wrong("`dir` needs a path: `dir:/srv/models/mine`")),
            ("hub", Some(model)) if !model.is_empty() => model.parse().map(Self::Hub),
            ("hub", _) => Err(wrong(
                "`hub` needs a model: `hub:ORG/NAME` or `hub:ORG/NAME@REVISION`",
            )),
            _ => Err(wrong(match suggestion(kind, text) {
                Some(better) => {
                    format!("`{text}` is no reference to a model; did you mean `{better}`?")
                }
                None => format!("`{text}` is no reference to a model: write {FORMS}"),
            })),
        }
    }
}

/// What `text`, which begins with no known kind, was probably meant to be.
fn suggestion(kind: &str, text: &str) -> Option<String> {
    if let Some(path) = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
    {
        let (_host, model) = path.split_once('/')?;
        let model: HubModel = model.trim_end_matches('/').parse().ok()?;
        return Some(format!("hub:{model}"));
    }
    if text.starts_with(['/', '.', '~']) {
        return Some(format!("dir:{text}"));
    }
    if text.contains('/') && HubModel::from_str(text).is_ok() {
        return Some(format!("hub:{text}"));
    }
    let near = match kind {
        "hf" | "huggingface" => Some("hub"),
        "file" | "path" => Some("dir"),
        _ => KINDS
            .into_iter()
            .map(|known| (strsim::normalized_damerau_levenshtein(kind, known), known))
            .filter(|(likeness, _)| *likeness >= 0.5)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, known)| known),
    }?;
    Some(text.replacen(kind, near, 1))
}

impl FromStr for HubModel {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (repo, revision) = match text.split_once('@') {
            Some((repo, revision)) => (repo, Some(revision)),
            None => (text, None),
        };
        let segments: Vec<&str> = repo.split('/').collect();
        if segments.len() > 2 || !segments.iter().all(|segment| is_segment(segment)) {
            return Err(wrong(format!(
                "`{repo}` is no model of the hub: write `hub:ORG/NAME@REVISION`; for a directory, `dir:PATH`"
            )));
        }
        if let Some(revision) = revision.filter(|revision| !is_revision(revision)) {
            return Err(wrong(format!(
                "`{revision}` is no revision: write a branch, a tag or a commit (40 hexadecimal digits)"
            )));
        }
        Ok(Self {
            repo: repo.to_owned(),
            revision: revision.map(str::to_owned),
        })
    }
}

impl HubModel {
    /// The revision to ask for.
    #[must_use]
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("main")
    }

    /// Whether the revision is a commit, which never changes.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        is_commit(self.revision())
    }
}

impl From<&HubModel> for Repo {
    fn from(model: &HubModel) -> Self {
        let repo = model.repo.clone();
        match &model.revision {
            Some(revision) => Self::with_revision(repo, RepoType::Model, revision.clone()),
            None => Self::model(repo),
        }
    }
}

/// The hub's rule for the parts of a model's name; it also keeps them inside the cache directory.
fn is_segment(text: &str) -> bool {
    (1..=96).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && !text.contains("..")
        && !text.contains("--")
}

/// Git's rules for names (`git check-ref-format`), as far as they keep a name inside the cache directory and a URL.
pub(super) fn is_revision(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && !text.starts_with('-')
        && text.split('/').all(|part| {
            !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock") && part != "@"
        })
        && !text.contains("..")
        && text
            .chars()
            .all(|c| !c.is_whitespace() && !c.is_control() && !"\\~^:?*[%#".contains(c))
}

/// Whether `text` is a whole commit id.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundle { head: None } => f.write_str("bundle"),
            Self::Bundle { head: Some(head) } => write!(f, "bundle:{head}"),
            Self::Dir(path) => write!(f, "dir:{}", path.display()),
            Self::Hub(model) => write!(f, "hub:{model}"),
        }
    }
}

impl fmt::Display for HubModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repo)?;
        match &self.revision {
            Some(revision) => write!(f, "@{revision}"),
            None => Ok(()),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = Source;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Source, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Source, A::Error> {
        let Some(kind) = map.next_key::<String>()? else {
            return Err(de::Error::custom(format!("a model is missing: {FORMS}")));
        };
        if !KINDS.contains(&kind.as_str()) {
            return Err(de::Error::unknown_field(&kind, &KINDS));
        }
        let value: Option<String> = map.next_value()?;
        if map.next_key::<String>()?.is_some() {
            return Err(de::Error::custom("a model has one source"));
        }
        Source::of(&kind, value.as_deref().map(str::trim), &kind).map_err(de::Error::custom)
    }
}

impl JsonSchema for Source {
    fn schema_name() -> Cow<'static, str> {
        "Source".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "Where a model comes from: `bundle`, `bundle:HEAD`, `dir:PATH` or `hub:ORG/NAME@REVISION`.",
            "anyOf": [
                { "type": "string", "pattern": "^ *(bundle( *:.+)?|(dir|hub) *:.+)$" },
                {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": false,
                    "properties": {
                        "bundle": { "type": ["string", "null"], "description": "A head of the bundle in the box." },
                        "dir": { "type": "string", "description": "A directory with a checkpoint or a bundle." },
                        "hub": { "type": "string", "description": "A model of the hub, `ORG/NAME@REVISION`." }
                    }
                }
            ]
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
