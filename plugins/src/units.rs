//! Quantities as people write them in a configuration: `1m30s`, `45MiB`. A bare number is refused, since
//! nobody can tell seconds from milliseconds by looking at it.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

use crate::problem;

const DURATION_HINT: &str = "write a number and a unit, like `250ms`, `5s`, `1m30s`, `2h` or `7d`";
const SIZE_HINT: &str =
    "write a whole number and a unit, like `512B`, `64KiB`, `45MiB`, `1GiB` or `10MB`";

/// Why a quantity was refused; the text ends in a hint (see [`problem::HINT`]).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}{hint}", problem::HINT)]
pub struct UnitError {
    message: String,
    hint: &'static str,
}

impl UnitError {
    fn new(message: String, hint: &'static str) -> Self {
        Self { message, hint }
    }
}

/// A span of time, written `250ms`, `5s`, `1m30s`, `2h` or `7d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(pub Duration);

impl HumanDuration {
    /// So many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// So many seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// The span itself.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<HumanDuration> for Duration {
    fn from(value: HumanDuration) -> Self {
        value.0
    }
}

impl FromStr for HumanDuration {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let refuse =
            |message: &str| Err(UnitError::new(format!("{message} `{text}`"), DURATION_HINT));
        if text.is_empty() || !text.starts_with(|c: char| c.is_ascii_digit()) {
            return refuse("not a duration:");
        }
        if text.ends_with(|c: char| c.is_ascii_digit()) {
            return refuse("a duration needs a unit:");
        }
        // Words such as `month` are valid for humantime, but a month is no fixed span.
        let known = text
            .split(|c: char| c.is_ascii_digit())
            .filter(|unit| !unit.is_empty())
            .all(|unit| matches!(unit, "us" | "ms" | "s" | "m" | "h" | "d"));
        match humantime::parse_duration(text) {
            Ok(duration) if known => Ok(Self(duration)),
            _ => refuse("not a duration:"),
        }
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // humantime spells long spans in years and months, which this type does not read back.
        let micros = self.0.as_micros();
        let units = [
            (86_400_000_000, "d"),
            (3_600_000_000, "h"),
            (60_000_000, "m"),
            (1_000_000, "s"),
            (1_000, "ms"),
            (1, "us"),
        ];
        if micros == 0 {
            return f.write_str("0s");
        }
        let mut rest = micros;
        for (size, unit) in units {
            if rest >= size {
                write!(f, "{}{unit}", rest / size)?;
                rest %= size;
            }
        }
        Ok(())
    }
}

impl JsonSchema for HumanDuration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "duration-with-unit",
            "pattern": r"^([0-9]+(us|ms|s|m|h|d))+$|\$\{",
            "examples": ["250ms", "5s", "1m30s"],
        })
    }
}

/// A number of bytes, written `512B`, `64KiB`, `45MiB`, `1GiB`, or in powers of ten `10MB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// Longest first, since `MiB` ends in `B` too.
const SIZES: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];

impl ByteSize {
    /// So many KiB.
    pub const fn from_kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// So many MiB.
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// Bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Bytes as a length in memory; saturates where the address space is smaller.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let refuse = |message: &str| Err(UnitError::new(format!("{message} `{text}`"), SIZE_HINT));
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return refuse("a size needs a unit:");
        }
        let Some((digits, factor)) = SIZES.iter().find_map(|(unit, factor)| {
            let digits = text.strip_suffix(unit)?;
            digits
                .ends_with(|c: char| c.is_ascii_digit())
                .then_some((digits, *factor))
        }) else {
            return refuse("not a size in bytes:");
        };
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return refuse("not a size in bytes:");
        }
        match digits
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(factor))
        {
            Some(bytes) => Ok(Self(bytes)),
            None => refuse("a size too large to count:"),
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = SIZES
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
            .copied()
            .unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "size-with-unit",
            "pattern": r"^[0-9]+([KMGT]iB|[kKMGT]?B)$|\$\{",
            "examples": ["64KiB", "45MiB"],
        })
    }
}

/// `Serialize` and `Deserialize` through the written form, with a message of its own for bare numbers.
macro_rules! as_text {
    ($type:ident, $expecting:literal, $number:literal, $hint:ident) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }

                    fn visit_i64<E: Error>(self, _: i64) -> Result<$type, E> {
                        Err(E::custom(problem::with_hint($number, $hint)))
                    }

                    fn visit_u64<E: Error>(self, _: u64) -> Result<$type, E> {
                        Err(E::custom(problem::with_hint($number, $hint)))
                    }

                    fn visit_f64<E: Error>(self, _: f64) -> Result<$type, E> {
                        Err(E::custom(problem::with_hint($number, $hint)))
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }
    };
}

as_text!(
    HumanDuration,
    "a duration such as `5s`",
    "a duration needs a unit",
    DURATION_HINT
);
as_text!(
    ByteSize,
    "a size such as `45MiB`",
    "a size needs a unit",
    SIZE_HINT
);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde::de::{
        IntoDeserializer,
        value::{Error as ValueError, F64Deserializer, U64Deserializer},
    };

    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("250ms", 250),
            ("5s", 5_000),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
        ] {
            let duration: HumanDuration = text.parse().unwrap();
            assert_eq!(duration.get(), Duration::from_millis(millis));
            assert_eq!(duration.to_string(), text);
        }
        assert_eq!("0s".parse::<HumanDuration>().unwrap().to_string(), "0s");
        for bad in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "1month",
            "5S",
            "1.5s",
            "99999999999999999999s",
            "5sé",
        ] {
            let error = bad.parse::<HumanDuration>().unwrap_err();
            assert!(error.to_string().contains(problem::HINT), "{bad}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0B", 0),
            ("512B", 512),
            ("64KiB", 65_536),
            ("45MiB", 45 << 20),
            ("10MB", 10_000_000),
            ("3TiB", 3 << 40),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!(size.get(), bytes, "{text}");
            assert_eq!(size.to_string(), text);
        }
        for bad in [
            "",
            "45",
            "MiB",
            "4.5MiB",
            "45 MiB",
            "-1B",
            "45mib",
            "45M",
            "99999999999TiB",
            "4éB",
        ] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_are_refused_with_advice() {
        let number: U64Deserializer<ValueError> = 5_u64.into_deserializer();
        let error = HumanDuration::deserialize(number).unwrap_err();
        assert!(error.to_string().contains("250ms"), "{error}");
        let number: F64Deserializer<ValueError> = 5.5.into_deserializer();
        let error = ByteSize::deserialize(number).unwrap_err();
        assert!(error.to_string().contains("64KiB"), "{error}");
        let size: ByteSize = serde_json::from_str("\"1KiB\"").unwrap();
        assert_eq!(serde_json::to_string(&size).unwrap(), "\"1KiB\"");
    }
}
