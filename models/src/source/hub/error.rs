//! What can go wrong with a hub, and what to do then.

use std::error::Error;
use std::time::Duration;

use reqwest::StatusCode;

use crate::source::reference::HubModel;

/// What went wrong with a hub.
#[derive(Debug, thiserror::Error)]
pub(in crate::source) enum HubError {
    #[error(
        "the hub's address `{0}` is no URL: set HF_ENDPOINT to something like https://huggingface.co"
    )]
    Endpoint(String),
    #[error("no HTTP client can be made: {cause}")]
    Client { cause: String },
    #[error(
        "HF_HUB_OFFLINE is set, so nothing is downloaded. Unset it, or copy the directory `{folder}` from the hub \
         cache of a machine that has the model to {cache}"
    )]
    Offline { folder: String, cache: String },
    #[error("{host} cannot be reached ({cause})")]
    Unreachable { host: String, cause: String },
    #[error("{host} was silent for {} s", limit.as_secs_f32())]
    Silent { host: String, limit: Duration },
    #[error("{host} broke the download off")]
    Interrupted { host: String },
    #[error("{host} answered {status}")]
    Status {
        host: String,
        status: StatusCode,
        pause: Option<Duration>,
    },
    #[error(
        "{error}, {attempts} times in a row. Check the network and HF_ENDPOINT and try again; what was downloaded is \
         kept"
    )]
    Repeated {
        attempts: u32,
        #[source]
        error: Box<HubError>,
    },
    #[error(
        "the hub wants to know who asks (401): set HF_TOKEN, or check the name; the hub gives the same answer for \
         models that do not exist"
    )]
    TokenWanted,
    #[error(
        "the hub does not accept the token (401): make a new one and set HF_TOKEN, or check the name; the hub gives \
         the same answer for models that the token may not see"
    )]
    TokenRefused,
    #[error("{0}")]
    Forbidden(String),
    #[error("{host} knows no such model (404): check the name{and}")]
    NoModel { host: String, and: &'static str },
    #[error("the model has no revision `{revision}` (404): name a branch, a tag or a commit")]
    NoRevision { revision: String },
    #[error("{file} is not there (404), although the hub lists it")]
    NoFile { file: String },
    #[error("the answer of {host} {what}: is HF_ENDPOINT a model hub?")]
    Malformed { host: String, what: String },
    #[error(
        "{file}: what {host} sent has another checksum than the hub says ({got} instead of {expected}); it was \
         deleted. Try again, or ask whoever runs the proxy or mirror in between"
    )]
    Checksum {
        file: String,
        host: String,
        got: String,
        expected: String,
    },
    #[error(
        "another process has been downloading {file} for {minutes} minutes: try again when it is done"
    )]
    Busy { file: String, minutes: u64 },
}

impl HubError {
    /// Whether the same question may get an answer later.
    pub(in crate::source) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent { .. } | Self::Interrupted { .. } => true,
            Self::Status { status, .. } => {
                status.is_server_error()
                    || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(status)
            }
            _ => false,
        }
    }

    /// How long the hub asks to be left alone.
    pub(super) fn pause(&self) -> Option<Duration> {
        match self {
            Self::Status { pause, .. } => *pause,
            _ => None,
        }
    }
}

/// An answer that is no success.
pub(super) struct Answer<'a> {
    pub(super) status: StatusCode,
    /// The hub's own word for the cause, `x-error-code`.
    pub(super) code: &'a str,
    pub(super) host: String,
    pub(super) endpoint: &'a str,
    pub(super) token: bool,
    /// Not from the storage that the hub leads to.
    pub(super) from_hub: bool,
    pub(super) pause: Option<Duration>,
}

impl Answer<'_> {
    pub(super) fn meaning(self, model: &HubModel, file: Option<&str>) -> HubError {
        match self.status {
            StatusCode::UNAUTHORIZED if self.from_hub && self.token => HubError::TokenRefused,
            StatusCode::UNAUTHORIZED if self.from_hub => HubError::TokenWanted,
            StatusCode::FORBIDDEN if self.from_hub => HubError::Forbidden(self.forbidden(model)),
            StatusCode::NOT_FOUND if self.from_hub => match (self.code, file) {
                ("RevisionNotFound", _) => HubError::NoRevision {
                    revision: model.revision().to_owned(),
                },
                ("RepoNotFound", _) | (_, None) => HubError::NoModel {
                    host: self.host,
                    and: match (self.code, &model.revision) {
                        ("RepoNotFound", _) | (_, None) => "",
                        _ => " and the revision",
                    },
                },
                (_, Some(file)) => HubError::NoFile {
                    file: file.to_owned(),
                },
            },
            status => HubError::Status {
                host: self.host,
                status,
                pause: self.pause,
            },
        }
    }

    fn forbidden(&self, model: &HubModel) -> String {
        let page = format!("{}/{}", self.endpoint, model.repo);
        match (self.code, self.token) {
            ("GatedRepo", true) => format!(
                "the model is gated (403): accept its terms at {page} with the account that the token belongs to"
            ),
            ("GatedRepo", false) => format!(
                "the model is gated (403): accept its terms at {page} and set HF_TOKEN to a token of that account"
            ),
            (_, true) => format!(
                "the token may not read the model (403): give it the right to read, or accept the model's terms at \
                 {page}"
            ),
            (_, false) => {
                "the hub does not let everybody read the model (403): set HF_TOKEN".to_owned()
            }
        }
    }
}

/// The cause of causes: reqwest's own sentence names the URL, which may be signed.
pub(super) fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
