//! Where the frontends of a cluster are.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use commutator_plugins::units::HumanDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{
    self, Deserialize, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer,
};
use serde::{Deserialize as DeriveDeserialize, Serialize};

use crate::cluster::discovery::Target;

/// Where the frontends are: exactly one of these.
#[derive(Debug, Clone, PartialEq, Serialize, DeriveDeserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndpointsConfig {
    /// A fixed list of `host:port`, or `{address: host:port, weight: N}`. A host that is a name is
    /// looked up like `dns`.
    Static(Vec<StaticEndpoint>),
    /// Every address (A and AAAA) of a name, looked up again and again. For Kubernetes: a headless
    /// Service.
    Dns(DnsEndpoints),
    /// The hosts, ports and weights of a name's SRV records with the best priority.
    Srv(SrvEndpoints),
    /// A file with one `host:port [weight=N]` a line, read again when it changes.
    File(FileEndpoints),
}

/// One frontend of a fixed list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct StaticEndpoint {
    /// `host:port`; the host is an IP address (IPv6 in brackets) or a name.
    pub(crate) address: String,
    /// Its share in relation to the others.
    pub(crate) weight: u32,
}

/// The long form of an endpoint in the list.
#[derive(DeriveDeserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LongForm {
    /// `host:port`; the host is an IP address (IPv6 in brackets) or a name.
    address: String,
    /// Its share in relation to the others, 1 to 100.
    #[serde(default = "default_weight")]
    #[schemars(range(min = 1, max = 100))]
    weight: u32,
}

fn default_weight() -> u32 {
    1
}

impl<'de> Deserialize<'de> for StaticEndpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EndpointVisitor)
    }
}

struct EndpointVisitor;

impl<'de> Visitor<'de> for EndpointVisitor {
    type Value = StaticEndpoint;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`host:port` or `{address: host:port, weight: N}`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        checked(text.to_owned(), 1)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let long = LongForm::deserialize(MapAccessDeserializer::new(map))?;
        checked(long.address, long.weight)
    }
}

fn checked<E: de::Error>(address: String, weight: u32) -> Result<StaticEndpoint, E> {
    Target::parse(&address, weight).map_err(E::custom)?;
    Ok(StaticEndpoint { address, weight })
}

impl JsonSchema for StaticEndpoint {
    fn schema_name() -> Cow<'static, str> {
        "StaticEndpoint".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "One frontend of a fixed list.",
            "anyOf": [
                { "type": "string", "description": "`host:port`" },
                generator.subschema_for::<LongForm>()
            ]
        })
    }
}

/// Every address of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, DeriveDeserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DnsEndpoints {
    /// The name to look up. With a final dot no search domain is tried.
    pub(crate) name: String,
    /// The port of every frontend.
    pub(crate) port: u16,
    /// Time between two look-ups. An answer is reused until its time to live is over, and the last
    /// good one is kept as long as the name servers fail or answer with nothing.
    #[serde(default = "default_refresh")]
    pub(crate) refresh: HumanDuration,
}

/// The SRV records of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, DeriveDeserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SrvEndpoints {
    /// The name to look up, for example `_http._tcp.frontends.example.com.`
    pub(crate) name: String,
    /// Time between two look-ups, as for `dns`.
    #[serde(default = "default_refresh")]
    pub(crate) refresh: HumanDuration,
}

/// A watched file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, DeriveDeserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileEndpoints {
    /// The file: one `host:port [weight=N]` a line; `#` begins a comment. While it has a mistake
    /// the last good list stays in use.
    pub(crate) path: PathBuf,
}

fn default_refresh() -> HumanDuration {
    HumanDuration::from_secs(5)
}
