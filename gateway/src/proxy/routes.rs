//! Which path does what on the data listener (CONTRACT section 2).

use commutator_plugins::api::Api;
use commutator_plugins::api_error::ApiError;
use commutator_plugins::plugin::ResponsePath;
use http::{Method, StatusCode};
use pingora::Result;
use pingora::proxy::Session;
use serde_json::json;

use super::Gateway;
use super::answers::Own;
use super::ctx::Ctx;
use super::ingest::{check_content_type, check_head};

impl Gateway {
    /// Answers what the gateway answers itself; `false` sends the request on to a frontend.
    pub(super) async fn route(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        if let Err(error) = check_head(session.req_header(), &self.limits) {
            // Where the request ends may be unclear: nothing behind it is taken for another one.
            session.set_keepalive(None);
            return self.refuse(session, ctx, error).await;
        }
        let head = session.req_header();
        let path = head.uri.path();
        let method = head.method.clone();
        let get = matches!(method, Method::GET | Method::HEAD);
        match path {
            "/health" | "/live" => {
                if !get {
                    return self.refuse(session, ctx, wrong_method("GET, HEAD")).await;
                }
                let strict = path == "/health";
                self.health(session, ctx, strict).await
            }
            "/v1/models" => {
                if !get {
                    return self.refuse(session, ctx, wrong_method("GET, HEAD")).await;
                }
                let body = self.model_list(ctx);
                self.own(session, ctx, Own::json(StatusCode::OK, &body))
                    .await
            }
            _ if path.starts_with("/v1/models/") => {
                if !get {
                    return self.refuse(session, ctx, wrong_method("GET, HEAD")).await;
                }
                let id = decode_path(&path["/v1/models/".len()..]);
                match self.model_entry(ctx, &id) {
                    Some(body) => {
                        self.own(session, ctx, Own::json(StatusCode::OK, &body))
                            .await
                    }
                    None => {
                        let error = ApiError::model_not_found(&id);
                        self.refuse(session, ctx, error).await
                    }
                }
            }
            _ => match Api::of_path(path) {
                None => {
                    let error = ApiError::new(StatusCode::NOT_FOUND, "not_found", "unknown path");
                    self.refuse(session, ctx, error).await
                }
                Some(api) => {
                    ctx.api = Some(api);
                    if method != Method::POST {
                        return self.refuse(session, ctx, wrong_method("POST")).await;
                    }
                    if let Err(error) = check_content_type(session.req_header()) {
                        return self.refuse(session, ctx, error).await;
                    }
                    self.ingest(session, ctx, api).await
                }
            },
        }
    }

    async fn health(&self, session: &mut Session, ctx: &mut Ctx, strict: bool) -> Result<bool> {
        let ready = ctx
            .snapshot
            .clusters
            .iter()
            .any(|cluster| cluster.is_ready());
        let (status, word) = match (self.is_draining(), ready || !strict) {
            (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
            (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "no_upstream"),
            (false, true) => (StatusCode::OK, "ok"),
        };
        let own = Own::json(status, &json!({ "status": word }));
        self.own(session, ctx, own).await
    }

    /// The automatic names first, then the policy's models with what the frontends say about them.
    fn model_list(&self, ctx: &Ctx) -> serde_json::Value {
        let policy = &ctx.snapshot.policy;
        let mut data: Vec<serde_json::Value> = policy
            .automatic_names()
            .iter()
            .map(|name| automatic(name))
            .collect();
        data.extend(policy.models().iter().map(|model| describe(ctx, model)));
        json!({"object": "list", "data": data})
    }

    fn model_entry(&self, ctx: &Ctx, id: &str) -> Option<serde_json::Value> {
        let policy = &ctx.snapshot.policy;
        if policy.automatic_names().iter().any(|name| name == id) {
            return Some(automatic(id));
        }
        let model = policy.model(id)?;
        Some(describe(ctx, model))
    }

    /// An error before any pipeline has run.
    pub(super) async fn refuse(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        error: ApiError,
    ) -> Result<bool> {
        ctx.record.response_path = Some(ResponsePath::Error);
        self.own_error(session, ctx, &error).await
    }
}

fn wrong_method(allow: &'static str) -> ApiError {
    let mut error = ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("use {allow}"),
    );
    error.allow = Some(allow);
    error
}

fn automatic(name: &str) -> serde_json::Value {
    json!({"id": name, "object": "model", "created": 0, "owned_by": "commutator", "automatic": true, "ready": true})
}

fn describe(ctx: &Ctx, model: &commutator_plugins::model::ModelConfig) -> serde_json::Value {
    let upstream = model.upstream_name();
    let cluster = ctx.snapshot.cluster(&model.cluster);
    let offer = cluster.map(|c| c.offers(upstream)).unwrap_or_default();
    let listed = cluster.and_then(|c| c.listed_models().into_iter().find(|m| m.id == upstream));
    json!({
        "id": model.name,
        "object": "model",
        "created": listed.as_ref().and_then(|m| m.created).unwrap_or(0),
        "owned_by": listed.as_ref().map_or("commutator", |m| m.owned_by.as_str()),
        "automatic": false,
        "ready": offer.ready > 0,
        "frontends_ready": offer.ready,
        "context_length": model.context_length,
    })
}

/// Undoes `%2F` and the like in a model id; what is no valid UTF-8 then stays as it was.
fn decode_path(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .map_or_else(|_| text.to_owned(), |decoded| decoded.into_owned())
}
