//! The system's name servers.

use std::net::IpAddr;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::proto::rr::RData;
use tokio::sync::OnceCell;

/// Looks names up. A trait so that tests can answer in the name servers' place.
#[async_trait]
pub(super) trait Resolve: Send + Sync {
    /// All addresses of a name; an error when there is none.
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String>;
    /// The SRV records of a name.
    async fn services(&self, name: &str) -> Result<Vec<Service>, String>;
}

/// One SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) host: String,
}

/// The resolver of `/etc/resolv.conf` and `/etc/hosts`. Answers are reused until their time to live
/// is over. Made at the first use, and tried again when that failed.
#[derive(Default)]
pub(super) struct SystemResolver(OnceCell<TokioResolver>);

impl SystemResolver {
    async fn inner(&self) -> Result<&TokioResolver, String> {
        let make = || async {
            let mut builder = TokioResolver::builder_tokio()?;
            builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            builder.build()
        };
        self.0
            .get_or_try_init(make)
            .await
            .map_err(|error| format!("the system's resolver configuration: {error}"))
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let found = self.inner().await?.lookup_ip(name).await;
        let found = found.map_err(|error| format!("looking up `{name}`: {error}"))?;
        let addresses: Vec<IpAddr> = found.iter().collect();
        if addresses.is_empty() {
            return Err(format!("looking up `{name}`: no address"));
        }
        Ok(addresses)
    }

    async fn services(&self, name: &str) -> Result<Vec<Service>, String> {
        let found = self.inner().await?.srv_lookup(name).await;
        let found = found.map_err(|error| format!("looking up `{name}`: {error}"))?;
        let records = found.answers().iter().filter_map(|record| {
            let RData::SRV(srv) = &record.data else {
                return None;
            };
            Some(Service {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                host: srv.target.to_utf8(),
            })
        });
        Ok(records.collect())
    }
}
