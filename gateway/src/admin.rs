//! The operator's listener (CONTRACT section 1).

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use commutator_plugins::exchange::RequestHead;
use http::{HeaderMap, Method, Response, StatusCode, header};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use serde_json::{Value, json};

use crate::bootstrap::Admin;
use crate::cli::explain::explain;
use crate::lifecycle::stage::Stage;
use crate::server::Reloader;
use crate::snapshot::Store;
use crate::telemetry::metrics::Metrics;

/// The largest request that `POST /explain` takes: Dynamo's own limit.
const MAX_BODY: usize = 45 << 20;

/// Header of `POST /explain` that names the path the request would go to.
const PATH_HEADER: &str = "x-commutator-path";

/// The admin application.
pub(crate) struct AdminApp {
    store: Arc<Store>,
    reloader: Arc<Reloader>,
    metrics: Arc<Metrics>,
    stage: Arc<Stage>,
    config: Admin,
    control: tokio::runtime::Handle,
    started: Instant,
}

type Answer = Response<Vec<u8>>;

fn answer(status: StatusCode, content_type: &str, body: Vec<u8>) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let length = response.body().len();
    if let Ok(value) = content_type.parse() {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length.into());
    response
}

fn json_answer(status: StatusCode, body: &Value) -> Answer {
    let mut text = serde_json::to_vec_pretty(body).unwrap_or_default();
    text.push(b'\n');
    answer(status, "application/json", text)
}

fn error(status: StatusCode, code: &str, message: &str) -> Answer {
    json_answer(
        status,
        &json!({"error": {"message": message, "type": "admin_error", "param": null, "code": code}}),
    )
}

impl AdminApp {
    /// The application over these parts.
    #[must_use]
    pub(crate) fn new(
        store: Arc<Store>,
        reloader: Arc<Reloader>,
        metrics: Arc<Metrics>,
        stage: Arc<Stage>,
        config: Admin,
        control: tokio::runtime::Handle,
    ) -> Self {
        Self {
            store,
            reloader,
            metrics,
            stage,
            config,
            control,
            started: Instant::now(),
        }
    }

    fn is_allowed(&self, path: &str, headers: &HeaderMap) -> bool {
        let Some(token) = &self.config.token else {
            return true;
        };
        let open = matches!(path, "/livez" | "/readyz" | "/metrics");
        if open && self.config.probes_without_token {
            return true;
        }
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
            .unwrap_or_default();
        same(given, token.expose().as_bytes())
    }

    fn ready(&self) -> Answer {
        if self.stage.is_draining() {
            return answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "text/plain",
                b"draining\n".to_vec(),
            );
        }
        let snapshot = self.store.current();
        if snapshot.clusters.iter().any(|cluster| cluster.is_ready()) {
            answer(StatusCode::OK, "text/plain", b"ok\n".to_vec())
        } else {
            answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "text/plain",
                b"no frontend is ready\n".to_vec(),
            )
        }
    }

    fn scrape(&self) -> Answer {
        for cluster in self.store.current().clusters.iter() {
            let in_flight = i64::from(cluster.status().in_flight);
            self.metrics
                .cluster_in_flight
                .with_label_values(&[cluster.config().name.as_str()])
                .set(in_flight);
        }
        answer(StatusCode::OK, Metrics::CONTENT_TYPE, self.metrics.render())
    }

    fn status(&self) -> Answer {
        let snapshot = self.store.current();
        let clusters: Vec<Value> = snapshot
            .clusters
            .iter()
            .map(|cluster| serde_json::to_value(cluster.status()).unwrap_or(Value::Null))
            .collect();
        json_answer(
            StatusCode::OK,
            &json!({
                "version": env!("CARGO_PKG_VERSION"),
                "pid": std::process::id(),
                "uptime_seconds": self.started.elapsed().as_secs(),
                "draining": self.stage.is_draining(),
                "requests_in_flight": self.metrics.in_flight.get(),
                "policy": {"revision": snapshot.revision, "hash": snapshot.hash},
                "clusters": clusters,
                "understanding": snapshot.understanding.as_ref().map(|u| u.models()),
            }),
        )
    }

    fn policy(&self) -> Answer {
        let snapshot = self.store.current();
        let loaded = snapshot
            .loaded_at
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        json_answer(
            StatusCode::OK,
            &json!({
                "revision": snapshot.revision,
                "hash": snapshot.hash,
                "loaded_at": loaded,
                "file": self.store.path().display().to_string(),
                "warnings": snapshot.warnings,
                "last_reload": self.store.report().as_deref(),
                "policy": serde_json::to_value(&snapshot.file).unwrap_or(Value::Null),
            }),
        )
    }

    async fn reload(&self) -> Answer {
        let reloader = Arc::clone(&self.reloader);
        match self
            .control
            .spawn_blocking(move || reloader.reload("admin"))
            .await
        {
            Ok(report) => {
                let status = if report.ok {
                    StatusCode::OK
                } else {
                    StatusCode::UNPROCESSABLE_ENTITY
                };
                json_answer(
                    status,
                    &serde_json::to_value(&*report).unwrap_or(Value::Null),
                )
            }
            Err(_) => error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                "the reload failed",
            ),
        }
    }

    /// `POST /explain`; with `?show_text=true` the trace holds the texts that models read.
    async fn explain(&self, session: &mut ServerSession, query: Option<&str>) -> Answer {
        let mut fields = query.into_iter().flat_map(|query| query.split('&'));
        let show_text = fields.any(|field| field == "show_text=true");
        let mut headers = session.req_header().headers.clone();
        // The operator's own credentials are not the client's.
        headers.remove(header::AUTHORIZATION);
        let path = headers
            .remove(PATH_HEADER)
            .and_then(|value| value.to_str().ok().map(str::to_owned))
            .unwrap_or_else(|| "/v1/chat/completions".to_owned());
        let Some(body) = read_body(session).await else {
            return error(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "the body could not be read",
            );
        };
        let head = RequestHead {
            path,
            headers,
            ..RequestHead::default()
        };
        let snapshot = self.store.current();
        match explain(&snapshot.policy, head, body, &*snapshot, show_text).await {
            Ok(mut trace) => {
                trace.revision = Some(snapshot.revision.to_string());
                let trace = serde_json::to_value(&trace).unwrap_or(Value::Null);
                json_answer(StatusCode::OK, &trace)
            }
            Err(error) => answer(
                error.status,
                "application/json",
                error.to_json().into_bytes(),
            ),
        }
    }

    /// `POST /drain` and `/undrain` with `?cluster=NAME&endpoint=ADDRESS`.
    fn drain(&self, query: Option<&str>, drain: bool) -> Answer {
        let field = |name: &str| {
            query
                .into_iter()
                .flat_map(|query| query.split('&'))
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
                .map(|value| {
                    percent_encoding::percent_decode_str(value)
                        .decode_utf8_lossy()
                        .into_owned()
                })
        };
        let (Some(cluster), Some(endpoint)) = (field("cluster"), field("endpoint")) else {
            return error(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "needs ?cluster=NAME&endpoint=ADDRESS",
            );
        };
        let Ok(address) = endpoint.parse() else {
            return error(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "`endpoint` must be IP:PORT",
            );
        };
        let snapshot = self.store.current();
        let found = snapshot
            .cluster(&cluster)
            .is_some_and(|cluster| cluster.set_draining(address, drain));
        if found {
            json_answer(
                StatusCode::OK,
                &json!({"cluster": cluster, "endpoint": endpoint, "draining": drain}),
            )
        } else {
            error(
                StatusCode::NOT_FOUND,
                "not_found",
                "there is no such cluster or endpoint",
            )
        }
    }
}

/// Compares in a time that does not tell how much of the token was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}

async fn read_body(session: &mut ServerSession) -> Option<Bytes> {
    let mut body = BytesMut::new();
    while let Some(chunk) = session.read_request_body().await.ok()? {
        if body.len() + chunk.len() > MAX_BODY {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body.freeze())
}

#[async_trait]
impl ServeHttp for AdminApp {
    async fn response(&self, session: &mut ServerSession) -> Answer {
        let head = session.req_header();
        let (method, path) = (head.method.clone(), head.uri.path().to_owned());
        let query = head.uri.query().map(str::to_owned);
        if !self.is_allowed(&path, &head.headers) {
            return error(
                StatusCode::UNAUTHORIZED,
                "invalid_api_key",
                "a token is needed",
            );
        }
        let get = matches!(method, Method::GET | Method::HEAD);
        let post = method == Method::POST;
        match path.as_str() {
            "/metrics" if get => self.scrape(),
            "/livez" if get => answer(StatusCode::OK, "text/plain", b"ok\n".to_vec()),
            "/readyz" if get => self.ready(),
            "/status" if get => self.status(),
            "/policy" if get => self.policy(),
            "/reload" if post => self.reload().await,
            "/explain" if post => self.explain(session, query.as_deref()).await,
            "/drain" if post => self.drain(query.as_deref(), true),
            "/undrain" if post => self.drain(query.as_deref(), false),
            "/metrics" | "/livez" | "/readyz" | "/status" | "/policy" => error(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "use GET",
            ),
            "/reload" | "/explain" | "/drain" | "/undrain" => error(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "use POST",
            ),
            _ => error(StatusCode::NOT_FOUND, "not_found", "unknown path"),
        }
    }
}
