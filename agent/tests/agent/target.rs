//! A Prometheus target that can misbehave.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// How a scrape is answered.
#[derive(Clone, Debug)]
pub(crate) enum Mood {
    /// Whole bytes, head included.
    Answer(Vec<u8>),
    /// A head, then a kilobyte of samples again and again.
    Endless,
    /// Never answers.
    Hang,
    /// Closes without an answer.
    Close,
}

/// What happened so far.
#[derive(Debug)]
struct State {
    mood: Mood,
    requests: Vec<String>,
    open: usize,
    most_open: usize,
}

/// The target.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// A 200 with these headers.
pub(crate) fn good(headers: &str, body: &[u8]) -> Mood {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n", body.len());
    Mood::Answer([head.as_bytes(), body].concat())
}

/// A text in the format 0.0.4.
pub(crate) fn text(body: &str) -> Mood {
    good("content-type: text/plain; version=0.0.4\r\n", body.as_bytes())
}

impl Target {
    pub(crate) fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State { mood, requests: Vec::new(), open: 0, most_open: 0 };
        let target = Self { address: listener.local_addr().unwrap(), state: Arc::new(Mutex::new(state)) };
        let served = target.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let served = served.clone();
                thread::spawn(move || served.answer(stream.unwrap()));
            }
        });
        target
    }

    /// As `SIPHON_SCRAPE_TARGETS` has it, with options.
    pub(crate) fn setting(&self, options: &str) -> String {
        format!("http://{}{options}", self.address)
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// The heads of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }

    /// How many requests were answered at the same time, at most.
    pub(crate) fn most_open(&self) -> usize {
        self.state.lock().unwrap().most_open
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut request = [0; 4096];
        let length = stream.read(&mut request).unwrap_or(0);
        let mood = {
            let mut state = self.state.lock().unwrap();
            state.requests.push(String::from_utf8_lossy(&request[..length]).into_owned());
            state.open += 1;
            state.most_open = state.most_open.max(state.open);
            state.mood.clone()
        };
        match mood {
            Mood::Answer(bytes) => _ = stream.write_all(&bytes),
            Mood::Endless => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
                while stream.write_all("endless 1\n".repeat(100).as_bytes()).is_ok() {}
            }
            // Until the agent gives up.
            Mood::Hang => {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
                let _ = stream.read(&mut request);
            }
            Mood::Close => {}
        }
        self.state.lock().unwrap().open -= 1;
    }
}
