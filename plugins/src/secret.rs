//! A value that must not be seen: an API key, a password, a token.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, IgnoredAny, Visitor},
};

use crate::problem;

/// The name under which a [`Secret`] asks its deserializer for a resolved reference. The configuration
/// loader knows it and answers with bytes; every other format answers with a string, which is refused.
pub const NEWTYPE: &str = "$commutator::Secret";

/// What a literal in place of a reference is told.
pub const LITERAL_HINT: &str = "use `${ENV_NAME}` or `file:PATH`";

/// A secret given by reference (`${ENV_NAME}` or `file:/path`), never literally, in a configuration file.
///
/// Its value is never shown: `Debug`, `Display` and `Serialize` give `***`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value that did not come from a configuration file.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value. The caller sees to it that it is not logged.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Resolved;

        impl<'de> Visitor<'de> for Resolved {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a reference to a secret")
            }

            fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<Secret, E> {
                match std::str::from_utf8(value) {
                    Ok(text) => Ok(Secret(text.to_owned())),
                    Err(_) => Err(E::custom("the secret is not UTF-8 text")),
                }
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                inner: D,
            ) -> Result<Secret, D::Error> {
                // Read and dropped: the value must not turn up in the message.
                IgnoredAny::deserialize(inner)?;
                Err(D::Error::custom(problem::with_hint(
                    "a secret must not stand in the file itself",
                    LITERAL_HINT,
                )))
            }
        }

        deserializer.deserialize_newtype_struct(NEWTYPE, Resolved)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "secret",
            "pattern": r"\$\{|^file:",
            "examples": ["${API_KEY}", "file:/run/secrets/api-key"],
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn is_never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(secret.expose(), "hunter2");
        let shown = format!(
            "{secret} {secret:?} {}",
            serde_json::to_string(&secret).unwrap()
        );
        assert_eq!(shown, "*** *** \"***\"");
    }

    #[test]
    fn a_literal_is_refused_without_being_repeated() {
        let error = serde_json::from_str::<Secret>("\"hunter2\"").unwrap_err();
        assert!(error.to_string().contains(LITERAL_HINT), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
