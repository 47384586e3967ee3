//! Answers that are held until they are whole: errors, and bodies that plugins want to see.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use commutator_plugins::answer;
use commutator_plugins::api_error::ApiError;
use commutator_plugins::exchange::Exchange;
use commutator_plugins::plugin::{Part, Plugin};
use commutator_plugins::sse::{Usage, usage_of};
use http::header;
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::{Error, ErrorType, Result};

use super::{failed, headers, set_json_head};
use crate::policy_file::HeadersMode;

/// The largest answer that is held: as large as the largest request (Dynamo's limit).
const MAX_HELD: usize = 45 << 20;

/// A head that has not been sent yet and the body so far.
pub(super) struct Held {
    head: Option<Box<ResponseHeader>>,
    body: BytesMut,
    plugins: Vec<Arc<dyn Plugin>>,
    headers: HeadersMode,
    usage: Usage,
    sent: u64,
}

impl Held {
    pub(super) fn new(
        head: Box<ResponseHeader>,
        plugins: Vec<Arc<dyn Plugin>>,
        headers: HeadersMode,
    ) -> Self {
        Self {
            head: Some(head),
            body: BytesMut::new(),
            plugins,
            headers,
            usage: Usage::default(),
            sent: 0,
        }
    }

    pub(super) fn push(&mut self, data: &Bytes) -> Result<()> {
        if self.body.len() + data.len() > MAX_HELD {
            return Error::e_explain(ErrorType::InternalError, "answer too large to be held");
        }
        self.body.extend_from_slice(data);
        Ok(())
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// The whole answer is here: convert an error, let plugins change a body, send head and body. The head is made
    /// last, as it also says what guards found in the body. Returns the error that a plugin put in the body's place.
    pub(super) async fn finish(
        &mut self,
        exchange: &mut Exchange,
        out: &mut Vec<HttpTask>,
    ) -> Result<Option<ApiError>> {
        let Some(mut head) = self.head.take() else {
            return Ok(None);
        };
        let mut body = std::mem::take(&mut self.body).freeze();
        let status = head.status.as_u16();
        let mut shaped = None;
        if status >= 400 {
            if let Some(error) = answer::from_upstream(status, &body, exchange.api) {
                let error = answer::error(&error, exchange.api);
                body = error.body.clone();
                shaped = Some(error);
            }
        } else {
            self.usage = std::str::from_utf8(&body)
                .ok()
                .and_then(usage_of)
                .unwrap_or_default();
        }
        let (body, refused) = self.run_plugins(body, exchange).await?;
        if let Some(error) = &refused {
            shaped = Some(answer::error(error, exchange.api));
        }
        headers::finish_upstream_head(&mut head, exchange, self.headers)?;
        let body = match shaped {
            Some(shaped) => {
                let body = if refused.is_some() { shaped.body } else { body };
                set_json_head(&mut head, shaped.status, body.len())?;
                if let Some(seconds) = shaped.headers.get(header::RETRY_AFTER) {
                    head.insert_header(header::RETRY_AFTER, seconds)?;
                }
                body
            }
            None => body,
        };
        head.remove_header(&header::TRANSFER_ENCODING);
        head.insert_header(header::CONTENT_LENGTH, body.len())?;
        self.sent = body.len() as u64;
        out.push(HttpTask::Header(head, body.is_empty()));
        if !body.is_empty() {
            out.push(HttpTask::Body(Some(body), true));
        }
        Ok(refused)
    }

    async fn run_plugins(
        &self,
        mut body: Bytes,
        exchange: &mut Exchange,
    ) -> Result<(Bytes, Option<ApiError>)> {
        for plugin in &self.plugins {
            let parts = plugin
                .on_part(exchange, Part::Body(body))
                .await
                .map_err(|error| failed(plugin.name(), &error))?;
            if parts.error.is_some() {
                return Ok((Bytes::new(), parts.error));
            }
            let mut list = parts.list.into_iter().map(Part::into_bytes);
            body = list.next().unwrap_or_default();
            for more in list {
                body = [body, more].concat().into();
            }
        }
        Ok((body, None))
    }
}
