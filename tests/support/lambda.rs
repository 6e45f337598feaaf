//! Lambda's Runtime API for one function, which runs as on AWS: it polls, it is given one event, it answers.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::{
    path::Path,
    process::Command,
    sync::{Mutex, mpsc},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use crate::{
    http::{self, Answer, Request, Server},
    process::Process,
    wait,
};

/// How long an invocation may take.
const TIMEOUT: Duration = Duration::from_secs(40);

/// A function that is up. Ends when dropped.
pub struct Function {
    events: mpsc::Sender<Value>,
    outcomes: mpsc::Receiver<Outcome>,
    process: Process,
    _server: Server,
}

/// What the function answers to an event: its response, or the error it reports.
pub type Outcome = Result<Value, Value>;

impl Function {
    /// Starts the function that `command` runs, named `name` in logs.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start(name: &str, command: &mut Command, logs: &Path) -> Self {
        let (events, waiting) = mpsc::channel();
        let (report, outcomes) = mpsc::channel();
        let (waiting, report) = (Mutex::new(waiting), Mutex::new(report));
        let server = Server::start(move |request| answer(&request, &waiting, &report));
        command
            .env("AWS_LAMBDA_RUNTIME_API", server.address().to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "test");
        Self { events, outcomes, process: Process::start(name, command, logs), _server: server }
    }

    /// Gives it one event and waits for the outcome.
    ///
    /// # Panics
    /// If it ends, or answers nothing in time.
    pub fn invoke(&mut self, event: Value) -> Outcome {
        self.events.send(event).expect("the Runtime API is up");
        wait::until("the function answers", || {
            let outcome = self.outcomes.try_recv().ok();
            let ended = if outcome.is_none() { self.process.ended() } else { None };
            assert_eq!(ended, None, "the function ended in its invocation");
            outcome
        })
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}

fn answer(
    request: &Request,
    events: &Mutex<mpsc::Receiver<Value>>,
    report: &Mutex<mpsc::Sender<Outcome>>,
) -> Answer {
    let body = || serde_json::from_slice(request.body()).unwrap_or_default();
    let outcome = match request.uri().path().rsplit('/').next() {
        Some("next") => return next(events),
        Some("response") => Ok(body()),
        Some("error") => Err(body()),
        _ => return http::answer(404, ""),
    };
    let _ = report.lock().unwrap().send(outcome); // the test may be over
    http::answer(202, "")
}

/// Waits for an event, as the real API does. The test's end comes as an error.
fn next(events: &Mutex<mpsc::Receiver<Value>>) -> Answer {
    let Ok(event) = events.lock().unwrap().recv() else { return http::answer(410, "") };
    let deadline = SystemTime::now() + TIMEOUT;
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap().as_millis();
    let mut answer = http::answer(200, event.to_string());
    for (name, value) in [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-west-1:123456789012:function:test".to_owned(),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0".to_owned(),
        ),
    ] {
        answer.headers_mut().insert(name, value.parse().unwrap());
    }
    answer
}
