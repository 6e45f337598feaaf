//! A task metadata endpoint that can misbehave.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

pub(crate) const TASK_ARN: &str =
    "arn:aws:ecs:eu-central-1:111122223333:task/shop/0123456789abcdef0123456789abcdef";

/// How a path is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mood {
    Good,
    Status(u16),
    Body(&'static str),
    /// Announces more than it sends, then closes.
    Half,
    /// Closes without an answer.
    Close,
    /// Never answers.
    Hang,
    /// Two MiB of JSON.
    Huge,
}

#[derive(Debug)]
struct State {
    task: Mood,
    stats: Mood,
    /// Of the agent's own container.
    own: Mood,
    readings: u64,
}

/// The endpoint. It counts its good `/task/stats` answers, and puts the count into them.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Metadata {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::new(Mutex::new(State {
            task: Mood::Good,
            stats: Mood::Good,
            own: Mood::Status(404),
            readings: 0,
        }));
        let metadata = Self { address: listener.local_addr().unwrap(), state };
        let served = metadata.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let served = served.clone();
                std::thread::spawn(move || served.answer(stream.unwrap()));
            }
        });
        metadata
    }

    pub(crate) fn uri(&self) -> String {
        format!("http://{}/v4/container-1", self.address)
    }

    pub(crate) fn set(&self, task: Mood, stats: Mood) {
        let mut state = self.state.lock().unwrap();
        (state.task, state.stats) = (task, stats);
    }

    pub(crate) fn set_own(&self, own: Mood) {
        self.state.lock().unwrap().own = own;
    }

    pub(crate) fn readings(&self) -> u64 {
        self.state.lock().unwrap().readings
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut request = [0; 4096];
        let length = stream.read(&mut request).unwrap_or(0);
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        let (mood, good) = {
            let mut state = self.state.lock().unwrap();
            if request.starts_with("GET /v4/container-1/task/stats HTTP/1.1\r\n") {
                state.readings += u64::from(state.stats == Mood::Good);
                (state.stats, format!(r#"{{"reading":{}}}"#, state.readings))
            } else if request.starts_with("GET /v4/container-1/task HTTP/1.1\r\n") {
                (state.task, format!(r#"{{"TaskARN":"{TASK_ARN}","Containers":[]}}"#))
            } else if request.starts_with("GET /v4/container-1 HTTP/1.1\r\n") {
                (state.own, String::new())
            } else {
                (Mood::Status(404), String::new())
            }
        };
        let answer = |status: u16, announced: usize, body: &str| {
            format!("HTTP/1.1 {status} X\r\ncontent-length: {announced}\r\n\r\n{body}")
        };
        let answer = match mood {
            Mood::Good => answer(200, good.len(), &good),
            Mood::Status(status) => answer(status, 2, "no"),
            Mood::Body(body) => answer(200, body.len(), body),
            Mood::Half => answer(200, good.len(), &good[..good.len() / 2]),
            Mood::Close => return,
            Mood::Hang => return std::thread::sleep(Duration::from_secs(30)),
            Mood::Huge => {
                let body = format!("{{\"a\":\"{}\"}}", "x".repeat(2 << 20));
                answer(200, body.len(), &body)
            }
        };
        let _ = stream.write_all(answer.as_bytes());
    }
}
