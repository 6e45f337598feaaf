//! The AWS side behind one address (`AWS_ENDPOINT_URL`): ECS, SQS, X-Ray and the AMP workspace.
//!
//! Every request must bear a valid signature of the one account that exists here.

pub(crate) mod ecs;
pub(crate) mod event_source;
pub(crate) mod events;
mod json;
pub(crate) mod lambda;
pub(crate) mod queue;
mod sampling;
pub(crate) mod signature;
pub(crate) mod sqs;
pub(crate) mod task_events;
pub(crate) mod throttle;
pub(crate) mod xray;

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Uri},
    response::Response,
    routing::post,
};

use crate::{amp::Amp, clock};

/// The region of everything here.
pub const REGION: &str = "eu-west-1";
/// The account that owns everything here.
pub(crate) const ACCOUNT: &str = "111122223333";
/// Temporary credentials such as Lambda gives to a function. Known to everyone: they open nothing but this stand-in.
pub const ACCESS_KEY_ID: &str = "ASIALOCALSTANDIN0000";
/// Goes with [`ACCESS_KEY_ID`].
pub const SECRET_ACCESS_KEY: &str = "local/stand+in/secret/which/opens/nothing";
/// Goes with [`ACCESS_KEY_ID`].
pub const SESSION_TOKEN: &str = "local-stand-in-session-token";

/// The path of the workspace's receiver.
pub const REMOTE_WRITE_PATH: &str = "/workspaces/ws-local/api/v1/remote_write";

/// No service here takes more; each has its own, smaller limit.
const MAX_BODY_BYTES: usize = 8 << 20;

/// The services behind the one address.
pub(crate) struct Services {
    pub(crate) ecs: ecs::Ecs,
    pub(crate) sqs: sqs::Sqs,
    pub(crate) xray: xray::XRay,
    pub(crate) amp: Amp,
}

pub(crate) fn router(services: Arc<Services>) -> Router {
    Router::new()
        .route(REMOTE_WRITE_PATH, post(remote_write))
        .route("/TraceSegments", post(xray))
        .route("/GetSamplingRules", post(xray))
        .route("/SamplingTargets", post(xray))
        .fallback(post(by_target))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(services)
}

async fn remote_write(
    State(services): State<Arc<Services>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    services.amp.answer(&uri, &headers, &body, clock::now())
}

async fn xray(State(services): State<Arc<Services>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    services.xray.answer(&uri, &headers, &body, clock::now())
}

/// ECS and SQS tell their operation in a header and take any path.
async fn by_target(
    State(services): State<Arc<Services>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (service, operation) = target.rsplit_once('.').unwrap_or((target, ""));
    let (version, signing_name) = match service {
        ecs::TARGET => (json::Version::V1_1, "ecs"),
        sqs::TARGET => (json::Version::V1_0, "sqs"),
        _ => {
            return json::Version::V1_1.refuse(&json::Refusal::new(
                "UnknownOperationException",
                format!("no service here answers X-Amz-Target {target:?} at {}", uri.path()),
            ));
        }
    };
    if let Err(error) = signature::verify("POST", &uri, &headers, &body, signing_name, clock::now()) {
        return version.refuse(&json::Refusal::new(error.code(), error.to_string()));
    }
    let answer = match service {
        ecs::TARGET => services.ecs.answer(operation, &body),
        _ => services.sqs.answer(operation, &body).await,
    };
    match answer {
        Ok(value) => version.accept(&value),
        Err(refusal) => version.refuse(&refusal),
    }
}
