//! One `host:port` with a weight.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The largest weight: each unit is 160 points on the hash ring.
const MAX_WEIGHT: u32 = 100;

/// A host to reach, by address or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster) struct Target {
    pub(in crate::cluster) host: Host,
    pub(in crate::cluster) port: u16,
    pub(in crate::cluster) weight: u32,
}

/// How a host is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster) enum Host {
    Ip(IpAddr),
    Name(String),
}

impl Target {
    /// Reads `host:port`.
    ///
    /// # Errors
    /// With a message that quotes the text.
    pub(in crate::cluster) fn parse(text: &str, weight: u32) -> Result<Self, String> {
        if weight == 0 || weight > MAX_WEIGHT {
            return Err(format!(
                "`{text}`: the weight must be 1 to {MAX_WEIGHT}, not {weight}"
            ));
        }
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| format!("`{text}` has no port: write `host:port`"))?;
        let port = match port.parse() {
            Ok(port) if port != 0 => port,
            _ => return Err(format!("`{text}`: `{port}` is not a port (1 to 65535)")),
        };
        let host = Host::parse(host).ok_or_else(|| {
            format!("`{text}`: `{host}` is neither an address (IPv6 in brackets) nor a name")
        })?;
        Ok(Self { host, port, weight })
    }

    /// A name with a port.
    pub(in crate::cluster) fn named(name: &str, port: u16) -> Self {
        Self {
            host: Host::parse(name).unwrap_or_else(|| Host::Name(name.to_owned())),
            port,
            weight: 1,
        }
    }

    /// Its address, if it is given by address.
    pub(in crate::cluster) fn addr(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, self.port)),
            Host::Name(_) => None,
        }
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            return inner.parse::<Ipv6Addr>().ok().map(|ip| Self::Ip(ip.into()));
        }
        if let Ok(ip) = text.parse::<std::net::Ipv4Addr>() {
            return Some(Self::Ip(ip.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        // A last label of digits only is a mistyped IPv4 address (RFC 3696, section 2).
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_number = last.bytes().all(|b| b.is_ascii_digit());
        (name.len() <= 253 && name.split('.').all(is_label) && !is_number)
            .then(|| Self::Name(text.to_owned()))
    }
}
