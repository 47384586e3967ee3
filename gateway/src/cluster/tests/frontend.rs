//! A frontend that answers readiness questions as Dynamo does.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use pingora::tls::{PrivateKeyDer, ServerConfig, TlsAcceptor};
use rcgen::{CertifiedKey, KeyPair};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// How the frontend answers.
#[derive(Debug, Clone, Default)]
pub(in crate::cluster) struct Behaviour {
    /// The models it lists.
    pub(in crate::cluster) listed: Vec<String>,
    /// Models that it knows, but lacks workers for, with the missing types.
    pub(in crate::cluster) incomplete: Vec<(String, &'static str)>,
    /// 503 to everything.
    pub(in crate::cluster) draining: bool,
    /// No answer to anything.
    pub(in crate::cluster) hanging: bool,
    /// 404 with an empty body to the questions about one model.
    pub(in crate::cluster) without_ready_route: bool,
    /// This instead of the listing.
    pub(in crate::cluster) listing: Option<(u16, &'static str)>,
}

/// A running frontend; it ends, connections included, when this is dropped.
pub(in crate::cluster) struct Frontend {
    pub(in crate::cluster) addr: SocketAddr,
    behaviour: Arc<Mutex<Behaviour>>,
    asked: Arc<Mutex<Vec<(Version, String)>>>,
    task: JoinHandle<()>,
}

impl Frontend {
    pub(in crate::cluster) async fn start(models: &[&str]) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), models).await
    }

    /// With TLS, showing this certificate.
    pub(in crate::cluster) async fn start_tls(
        models: &[&str],
        identity: &CertifiedKey<KeyPair>,
    ) -> Self {
        pingora::tls::install_default_crypto_provider();
        let key = PrivateKeyDer::try_from(identity.signing_key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![identity.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_with(addr, models, Some(acceptor)).await
    }

    pub(in crate::cluster) async fn start_at(addr: SocketAddr, models: &[&str]) -> Self {
        Self::start_with(addr, models, None).await
    }

    async fn start_with(addr: SocketAddr, models: &[&str], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let behaviour = Arc::new(Mutex::new(Behaviour {
            listed: models.iter().map(|m| (*m).to_owned()).collect(),
            ..Behaviour::default()
        }));
        let asked = Arc::default();
        let serve = serve(listener, tls, Arc::clone(&behaviour), Arc::clone(&asked));
        let task = tokio::spawn(serve);
        Self {
            addr,
            behaviour,
            asked,
            task,
        }
    }

    /// Changes how it answers from now on.
    pub(in crate::cluster) fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock());
    }

    /// The paths it was asked for.
    pub(in crate::cluster) fn paths(&self) -> Vec<String> {
        self.asked
            .lock()
            .iter()
            .map(|(_, path)| path.clone())
            .collect()
    }

    /// The HTTP versions it was asked in.
    pub(in crate::cluster) fn versions(&self) -> Vec<Version> {
        self.asked
            .lock()
            .iter()
            .map(|(version, _)| *version)
            .collect()
    }

    /// Ends it as SIGKILL would; returns its address.
    pub(in crate::cluster) async fn kill(mut self) -> SocketAddr {
        self.task.abort();
        let _ = (&mut self.task).await;
        self.addr
    }
}

impl Drop for Frontend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    behaviour: Arc<Mutex<Behaviour>>,
    asked: Arc<Mutex<Vec<(Version, String)>>>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (behaviour, asked) = (Arc::clone(&behaviour), Arc::clone(&asked));
        match tls.clone() {
            None => connections.spawn(converse(stream, behaviour, asked)),
            Some(tls) => connections.spawn(async move {
                if let Ok(stream) = tls.accept(stream).await {
                    converse(stream, behaviour, asked).await;
                }
            }),
        };
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    behaviour: Arc<Mutex<Behaviour>>,
    asked: Arc<Mutex<Vec<(Version, String)>>>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let asked_now = (request.version(), request.uri().path().to_owned());
        asked.lock().push(asked_now);
        let behaviour = behaviour.lock().clone();
        async move { Ok::<_, Infallible>(answer(&behaviour, request.uri().path()).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let _ = builder
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(behaviour: &Behaviour, path: &str) -> Response<Full<Bytes>> {
    if behaviour.hanging {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    if behaviour.draining {
        let body = json!({"message": "Service is not ready", "type": "x", "code": 503});
        return response(503, body.to_string());
    }
    if path == "/v1/models" {
        if let Some((status, body)) = behaviour.listing {
            return response(status, body.to_owned());
        }
        let entry =
            |id| json!({"id": id, "object": "model", "created": now(), "owned_by": "nvidia"});
        let data: Vec<_> = behaviour.listed.iter().map(entry).collect();
        return response(200, json!({"object": "list", "data": data}).to_string());
    }
    let model = path
        .strip_prefix("/v1/models/")
        .and_then(|p| p.strip_suffix("/ready"));
    match model {
        Some(_) if behaviour.without_ready_route => response(404, String::new()),
        Some(model) if behaviour.listed.iter().any(|m| m == model) => response(200, "{}".into()),
        Some(model) => match behaviour.incomplete.iter().find(|(m, _)| m == model) {
            Some((_, missing)) => {
                let namespace = json!({"ready": false, "missing_worker_types": [missing]});
                let body = json!({"model": model, "ready": false, "namespaces": {"ns": namespace}});
                response(503, body.to_string())
            }
            None => response(404, json!({"message": "Model not found"}).to_string()),
        },
        None => response(404, String::new()),
    }
}

/// The time of the question, as Dynamo gives it for a model's creation.
fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_nanos() as u64
}

fn response(status: u16, body: String) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .body(Full::new(Bytes::from(body)))
        .unwrap()
}
