//! A certificate made on the spot, and a client that trusts it alone.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The name that a certificate of the tests is for.
const NAME: &str = "gateway.test";

/// A self-signed certificate and its key.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The chain in PEM.
    pub chain: String,
    /// The key in PEM.
    pub key: String,
    /// The certificate in DER: what clients trust.
    pub der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes one.
    ///
    /// # Errors
    /// No randomness.
    pub fn new() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        Ok(Self {
            chain: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
            der: made.cert.der().clone(),
        })
    }

    /// Connects, trusting this certificate only; says whether `h2` was agreed on.
    pub(super) async fn connect(
        &self,
        addr: SocketAddr,
        alpn: &[&str],
    ) -> Result<(TlsStream<TcpStream>, bool)> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        let provider = tokio_rustls::rustls::crypto::ring::default_provider();
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(addr).await?;
        let name = ServerName::try_from(NAME)?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await?;
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((stream, h2))
    }
}
