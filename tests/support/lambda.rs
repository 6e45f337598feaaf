//! Lambda's Runtime API for one function, which runs as on AWS: it polls, it is given one event, it answers.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::{
    path::Path,
    process::Command,
    sync::{Mutex, mpsc},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

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
        self.process.output() + &self.process.log()
    }
}

/// What EventBridge Scheduler sends at each tick.
#[must_use]
pub fn scheduled_event() -> Value {
    json!({
        "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event",
        "source": "aws.scheduler", "account": "123456789012", "time": "2026-11-20T10:00:00Z", "region": "eu-west-1",
        "resources": ["arn:aws:scheduler:eu-west-1:123456789012:schedule/default/tick"], "detail": "{}",
    })
}

/// What Lambda makes of messages that it has received (ReceiveMessage) from a queue.
///
/// # Panics
/// If a message lacks what every message has.
#[must_use]
pub fn sqs_event(messages: &[Value]) -> Value {
    let records = messages.iter().map(|message| {
        json!({
            "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"],
            "md5OfBody": message["MD5OfBody"], "messageAttributes": {},
            "attributes": {
                "ApproximateReceiveCount": "1", "SentTimestamp": "1795168800000", "SenderId": "AIDAEXAMPLE",
                "ApproximateFirstReceiveTimestamp": "1795168800001",
            },
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:shards",
            "awsRegion": "eu-west-1",
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

/// What EventBridge sends when a task with an agent, in `awsvpc` mode at `address`, is told to stop.
#[must_use]
pub fn stopping_event(task_arn: &str, address: &str) -> Value {
    let container = |name: &str| {
        let interfaces = json!([{ "attachmentId": "1789bcae", "privateIpv4Address": address }]);
        json!({ "name": name, "lastStatus": "RUNNING", "taskArn": task_arn, "networkInterfaces": interfaces })
    };
    json!({
        "version": "0", "id": "3317b2af-7005-947d-b652-f55e762e571a", "detail-type": "ECS Task State Change",
        "source": "aws.ecs", "account": "123456789012", "time": "2026-11-20T10:00:02Z", "region": "eu-west-1",
        "resources": [task_arn],
        "detail": {
            "taskArn": task_arn, "desiredStatus": "STOPPED", "lastStatus": "DEACTIVATING", "launchType": "FARGATE",
            "containers": [container("app"), container("siphon-agent")], "attachments": [], "version": 5,
        },
    })
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
