//! How a cluster's endpoints are connected to: the one place that turns the configuration into
//! Pingora's peer options, for requests and for probes alike.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use commutator_plugins::units::HumanDuration;
use http::HeaderValue;
use pingora::protocols::ALPN;
use pingora::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::WrappedX509;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::config::{ClusterConfig, EndpointsConfig, Protocol};
use super::discovery::Target;

/// Why a cluster cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    /// The file with the trusted authorities cannot be read.
    #[error("cluster `{cluster}`: `tls.ca` {path}: {message}")]
    Ca {
        /// The cluster.
        cluster: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
}

/// A peer without an address.
#[derive(Debug, Clone)]
pub(super) struct PeerTemplate {
    peer: HttpPeer,
    host: Option<HeaderValue>,
}

/// Streams on one HTTP/2 connection. Dynamo's server allows 200 or more (hyper's default).
const H2_STREAMS: usize = 100;

/// How long an unused connection is kept. Dynamo never closes one by itself.
const POOL_IDLE: Duration = Duration::from_secs(90);

impl PeerTemplate {
    pub(super) fn new(config: &ClusterConfig) -> Result<Self, ClusterError> {
        let name = host_name(config);
        let nowhere = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
        let mut peer = HttpPeer::new(nowhere, config.tls.is_some(), server_name(config));
        let timeouts = &config.timeouts;
        let options = &mut peer.options;
        options.connection_timeout = limit(timeouts.connect);
        options.total_connection_timeout = limit(timeouts.connect);
        options.read_timeout = limit(timeouts.idle);
        options.write_timeout = limit(timeouts.idle);
        options.idle_timeout = Some(POOL_IDLE);
        options.alpn = match config.protocol {
            Protocol::H1 => ALPN::H1,
            Protocol::H2c => ALPN::H2,
        };
        options.max_h2_streams = H2_STREAMS;
        if let Some(tls) = &config.tls {
            options.verify_cert = tls.verify;
            options.verify_hostname = tls.verify;
            if let Some(path) = &tls.ca {
                let ca = load_ca(path).map_err(|message| ClusterError::Ca {
                    cluster: config.name.clone(),
                    path: path.clone(),
                    message,
                })?;
                options.ca = Some(ca);
            }
        }
        let host = name.and_then(|name| HeaderValue::try_from(name).ok());
        Ok(Self { peer, host })
    }

    /// The peer for one endpoint.
    pub(super) fn peer(&self, addr: std::net::SocketAddr) -> HttpPeer {
        let mut peer = self.peer.clone();
        peer._address = PingoraAddr::Inet(addr);
        peer
    }

    /// The peer for a probe, which may not take longer than this.
    pub(super) fn probe_peer(&self, addr: std::net::SocketAddr, timeout: Duration) -> HttpPeer {
        let mut peer = self.peer(addr);
        let options = &mut peer.options;
        options.connection_timeout = Some(timeout);
        options.total_connection_timeout = Some(timeout);
        options.read_timeout = Some(timeout);
        options.write_timeout = Some(timeout);
        peer
    }

    /// The `host` header for requests to this endpoint.
    pub(super) fn host(&self, addr: std::net::SocketAddr) -> HeaderValue {
        if let Some(host) = &self.host {
            return host.clone();
        }
        // An address has no character that a header value may not have.
        HeaderValue::try_from(addr.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// A configured time limit; 0 means none.
fn limit(time: HumanDuration) -> Option<Duration> {
    (!time.0.is_zero()).then_some(time.0)
}

/// The name of the cluster's frontends, with the port where it is known.
pub(super) fn host_name(config: &ClusterConfig) -> Option<String> {
    if config.host.is_some() {
        return config.host.clone();
    }
    match &config.endpoints {
        EndpointsConfig::Dns(dns) => {
            Some(format!("{}:{}", dns.name.trim_end_matches('.'), dns.port))
        }
        EndpointsConfig::Static(list) => match list.as_slice() {
            [only] if Target::parse(&only.address, 1).is_ok_and(|t| t.addr().is_none()) => {
                Some(only.address.clone())
            }
            _ => None,
        },
        EndpointsConfig::Srv(_) | EndpointsConfig::File(_) => None,
    }
}

/// The name to ask for in TLS and to expect in the certificate; empty if none is known.
pub(super) fn server_name(config: &ClusterConfig) -> String {
    let configured = config.tls.as_ref().and_then(|tls| tls.server_name.clone());
    configured
        .or_else(|| host_name(config).as_deref().map(without_port))
        .unwrap_or_default()
}

fn without_port(host: &str) -> String {
    http::uri::Authority::try_from(host)
        .map(|authority| authority.host().to_owned())
        .unwrap_or_default()
}

/// Reads PEM certificates. Each is parsed here first, since Pingora panics on a broken one.
fn load_ca(path: &Path) -> Result<Arc<CaType>, String> {
    let mut found = Vec::new();
    for item in CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())? {
        let der = item.map_err(|error| error.to_string())?;
        let certificate = WrappedX509::try_new(der.to_vec(), |raw| {
            x509_parser::parse_x509_certificate(raw).map(|(_, certificate)| certificate)
        })
        .map_err(|error| format!("holds a broken certificate: {error}"))?;
        found.push(certificate);
    }
    if found.is_empty() {
        return Err("holds no certificate".to_owned());
    }
    Ok(found.into())
}
