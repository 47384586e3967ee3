//! A file with one endpoint a line.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use pingora_load_balancing::discovery::ServiceDiscovery;

use super::target::Target;
use super::{Discovered, backend, failure};

/// Reads the whole file each time. A mistake in any line makes the whole file an error, so that a
/// half-written list never takes endpoints away. An empty list is a mistake too.
pub(super) struct FileList {
    path: PathBuf,
}

impl FileList {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }
}

#[async_trait]
impl ServiceDiscovery for FileList {
    async fn discover(&self) -> Discovered {
        let path = self.path.display();
        let text = tokio::fs::read_to_string(&self.path)
            .await
            .map_err(|error| failure(format!("{path}: {error}")))?;
        let endpoints = parse(&text).map_err(|error| failure(format!("{path}{error}")))?;
        let backends = endpoints.into_iter().map(|(a, w)| backend(a, w)).collect();
        Ok((backends, HashMap::new()))
    }
}

/// Reads a list. The error begins with `:` and the number of the line.
pub(super) fn parse(text: &str) -> Result<BTreeMap<SocketAddr, u32>, String> {
    let mut endpoints = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (addr, weight) = parse_line(line).map_err(|error| format!(":{number}: {error}"))?;
        if endpoints.insert(addr, weight).is_some() {
            return Err(format!(":{number}: `{addr}` is listed twice"));
        }
    }
    if endpoints.is_empty() {
        return Err(": lists no endpoint".to_owned());
    }
    Ok(endpoints)
}

fn parse_line(line: &str) -> Result<(SocketAddr, u32), String> {
    let mut words = line.split_whitespace();
    let address = words.next().unwrap_or_default();
    let mut weight = 1;
    for word in words {
        let value = word
            .strip_prefix("weight=")
            .ok_or_else(|| format!("`{word}` is not `weight=N`"))?;
        weight = value
            .parse()
            .map_err(|_| format!("`{value}` is not a weight"))?;
    }
    let target = Target::parse(address, weight)?;
    let addr = target
        .addr()
        .ok_or_else(|| format!("`{address}` is a name: a list holds addresses"))?;
    Ok((addr, weight))
}
