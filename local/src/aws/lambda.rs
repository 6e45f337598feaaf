//! Lambda: functions, their execution environments, and the Runtime API by which each environment gets its work.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;
use siphon_core::units::UnixMillis;
use tokio::sync::{mpsc, oneshot};

use super::{ACCOUNT, REGION, queue::message_id};
use crate::{clock, lock};

/// Synchronous payloads, in and out.
const MAX_PAYLOAD_BYTES: usize = 6 << 20;

/// A function: invocations wait here for a free environment.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) memory_mb: u32,
    pub(crate) timeout: Duration,
    waiting: mpsc::UnboundedSender<Invocation>,
    free: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
}

/// What a function answers.
pub(crate) type Answer = Result<Bytes, FunctionError>;

/// An invocation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub(crate) struct FunctionError {
    /// The error type that the function told, or one of Lambda's own.
    pub(crate) kind: String,
    pub(crate) message: String,
}

struct Invocation {
    id: String,
    payload: Bytes,
    trace: String,
    reply: oneshot::Sender<Answer>,
}

/// One environment of a function: one process, one invocation at a time.
pub(crate) struct Environment {
    pub(crate) function: Arc<Function>,
    running: Mutex<Option<Running>>,
    polled: AtomicBool,
}

struct Running {
    id: String,
    deadline: UnixMillis,
    reply: oneshot::Sender<Answer>,
}

impl Function {
    pub(crate) fn new(name: &'static str, memory_mb: u32, timeout: Duration) -> Arc<Self> {
        let (waiting, free) = mpsc::unbounded_channel();
        Arc::new(Self { name, memory_mb, timeout, waiting, free: tokio::sync::Mutex::new(free) })
    }

    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", self.name)
    }

    /// Invokes and waits for the answer. `trace`: the X-Ray trace header of the caller, if it has one.
    pub(crate) async fn invoke(&self, payload: Bytes, trace: Option<String>) -> Answer {
        let (reply, answer) = oneshot::channel();
        let trace = trace.unwrap_or_else(trace_header);
        let gone = || FunctionError {
            kind: "Runtime.Stopped".into(),
            message: format!("{} is being stopped", self.name),
        };
        self.waiting.send(Invocation { id: message_id(), payload, trace, reply }).map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Environment {
    pub(crate) fn new(function: Arc<Function>) -> Arc<Self> {
        Arc::new(Self { function, running: Mutex::new(None), polled: AtomicBool::new(false) })
    }

    /// Ends the running invocation, if any, with an error: its process has died or took too long.
    pub(crate) fn fail(&self, kind: &str, message: String) {
        if let Some(running) = lock(&self.running).take() {
            let _ = running.reply.send(Err(FunctionError { kind: kind.to_owned(), message }));
        }
    }

    /// Whether the running invocation is over its timeout.
    pub(crate) fn overdue(&self, now: UnixMillis) -> bool {
        lock(&self.running).as_ref().is_some_and(|running| now > running.deadline)
    }

    /// Whether its process has ever asked for an invocation: then its initialisation went well.
    pub(crate) fn has_polled(&self) -> bool {
        self.polled.load(Ordering::Relaxed)
    }

    /// Waits for an invocation and marks it as running here.
    async fn next(&self) -> Option<Next> {
        self.polled.store(true, Ordering::Relaxed);
        self.fail(
            "Runtime.Skipped",
            "the runtime asked for the next invocation without answering".to_owned(),
        );
        let invocation = self.function.free.lock().await.recv().await?;
        let Invocation { id, payload, trace, reply } = invocation;
        let timeout = i64::try_from(self.function.timeout.as_millis()).unwrap_or(i64::MAX);
        let deadline = clock::now().plus(timeout);
        *lock(&self.running) = Some(Running { id: id.clone(), deadline, reply });
        Some(Next { id, payload, trace, deadline })
    }

    /// Delivers the answer to the invocation `id`, if that is what runs here.
    fn finish(&self, id: &str, answer: Answer) -> bool {
        let running = lock(&self.running).take_if(|running| running.id == id);
        running.map(|running| running.reply.send(answer)).is_some()
    }
}

#[cfg(test)]
impl Environment {
    pub(crate) async fn next_for_test(&self) -> (String, Bytes) {
        let next = self.next().await.unwrap();
        (next.id, next.payload)
    }

    pub(crate) fn answer_for_test(&self, id: &str, answer: Bytes) {
        assert!(self.finish(id, Ok(answer)));
    }
}

struct Next {
    id: String,
    payload: Bytes,
    trace: String,
    deadline: UnixMillis,
}

/// The environment's Runtime API. Each environment has an address of its own, as on Lambda.
pub(crate) fn router(environment: Arc<Environment>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .layer(DefaultBodyLimit::max(MAX_PAYLOAD_BYTES))
        .with_state(environment)
}

async fn next(State(environment): State<Arc<Environment>>) -> Response {
    let Some(Next { id, payload, trace, deadline }) = environment.next().await else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "no invocation will come").into_response();
    };
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", environment.function.arn()),
        ("lambda-runtime-trace-id", trace),
    ];
    (headers, payload).into_response()
}

async fn response(
    State(environment): State<Arc<Environment>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    accepted(environment.finish(&id, Ok(body)), &id)
}

/// The body of both error calls.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ErrorBody {
    error_type: String,
    error_message: String,
}

impl ErrorBody {
    /// The type is in the body or, if not there, in a header.
    fn read(headers: &HeaderMap, body: &[u8]) -> FunctionError {
        let body: Self = serde_json::from_slice(body).unwrap_or_default();
        let header = headers.get("lambda-runtime-function-error-type").and_then(|v| v.to_str().ok());
        let kind = if body.error_type.is_empty() {
            header.unwrap_or("Unhandled").to_owned()
        } else {
            body.error_type
        };
        FunctionError { kind, message: body.error_message }
    }
}

async fn error(
    State(environment): State<Arc<Environment>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    accepted(environment.finish(&id, Err(ErrorBody::read(&headers, &body))), &id)
}

async fn init_error(headers: HeaderMap, body: Bytes) -> Response {
    eprintln!("a function could not initialise: {}", ErrorBody::read(&headers, &body));
    accepted(true, "")
}

fn accepted(known: bool, id: &str) -> Response {
    if known {
        return (StatusCode::ACCEPTED, Json(json!({ "status": "OK" }))).into_response();
    }
    let refusal =
        json!({ "errorType": "InvalidRequestID", "errorMessage": format!("{id} is not running here") });
    (StatusCode::BAD_REQUEST, Json(refusal)).into_response()
}

/// An X-Ray trace header of a new, unsampled trace.
fn trace_header() -> String {
    let random = crate::tasks::random_hex();
    let id = random.get(..24).unwrap_or_default();
    format!("Root=1-{:08x}-{id};Sampled=0", clock::now().0 / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(timeout: Duration) -> Arc<Environment> {
        Environment::new(Function::new("f", 128, timeout))
    }

    fn invoke(environment: &Environment, payload: &'static str) -> tokio::task::JoinHandle<Answer> {
        let function = Arc::clone(&environment.function);
        tokio::spawn(async move { function.invoke(Bytes::from_static(payload.as_bytes()), None).await })
    }

    #[tokio::test]
    async fn an_invocation_goes_out_with_its_headers_and_its_answer_comes_back() {
        let environment = environment(Duration::from_secs(50));
        let answer = invoke(&environment, "{}");
        let handed = next(State(Arc::clone(&environment))).await;
        let header = |name: &str| handed.headers()[name].to_str().unwrap().to_owned();
        assert!(header("lambda-runtime-trace-id").starts_with("Root=1-"));
        assert_eq!(header("lambda-runtime-invoked-function-arn"), environment.function.arn());
        let deadline: i64 = header("lambda-runtime-deadline-ms").parse().unwrap();
        assert!((49_000..=50_000).contains(&(deadline - clock::now().0)));
        let id = header("lambda-runtime-aws-request-id");
        assert!(!environment.finish("other", Ok(Bytes::new())), "an unknown id is refused");
        assert!(environment.finish(&id, Ok(Bytes::from_static(b"done"))));
        assert_eq!(answer.await.unwrap().unwrap(), "done");
        assert!(!environment.finish(&id, Ok(Bytes::new())), "an answer is taken once");
    }

    #[tokio::test]
    async fn a_dead_process_fails_its_invocation_and_no_other() {
        let environment = environment(Duration::from_millis(1));
        let (first, second) = (invoke(&environment, "1"), invoke(&environment, "2"));
        environment.next().await.unwrap();
        assert!(environment.overdue(clock::now().plus(2)));
        environment.fail("Runtime.ExitError", "exit status: 1".into());
        environment.fail("Runtime.ExitError", "nothing runs: no effect".into());
        let next = environment.next().await.unwrap();
        assert!(environment.finish(&next.id, Ok(Bytes::new())));
        let answers = [first.await.unwrap(), second.await.unwrap()];
        assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 1);
        let error = answers.into_iter().find_map(Result::err).unwrap();
        assert_eq!(error.to_string(), "Runtime.ExitError: exit status: 1");
    }

    #[test]
    fn an_error_tells_its_type_in_the_body_or_in_a_header() {
        let mut headers = HeaderMap::new();
        headers.insert("lambda-runtime-function-error-type", "Runtime.X".parse().unwrap());
        let read = |body: &[u8]| ErrorBody::read(&headers, body).to_string();
        assert_eq!(read(br#"{"errorType":"E","errorMessage":"m","stackTrace":[]}"#), "E: m");
        assert_eq!(read(b"not json"), "Runtime.X: ");
    }
}
