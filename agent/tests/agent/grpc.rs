//! gRPC by hand: calls over hyper's HTTP/2, and frames of one's own to break it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::{
    body::{Body, Frame},
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
    task::JoinHandle,
    time::timeout,
};

pub(crate) const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
pub(crate) const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
pub(crate) const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// A call's body, frame by frame, with an end or without.
pub(crate) struct Frames {
    frames: VecDeque<Vec<u8>>,
    ends: bool,
}

impl Frames {
    pub(crate) fn new(frames: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self { frames: frames.into_iter().collect(), ends: true }
    }

    pub(crate) fn without_end(self) -> Self {
        Self { ends: false, ..self }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(Ok(Frame::data(frame.into())))),
            None if self.ends => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

/// A message with its prefix.
pub(crate) fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

/// An answer: the headers, or those after the message, tell of the call's end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) http_status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) message: Bytes,
    trailers: Option<HeaderMap>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.trailers.as_ref().and_then(|trailers| trailers.get(name));
        found.or_else(|| self.headers.get(name)).map(|value| value.to_str().unwrap())
    }

    /// Code and message.
    pub(crate) fn status(&self) -> (u16, &str) {
        let code = self.header("grpc-status").unwrap().parse().unwrap();
        (code, self.header("grpc-message").unwrap_or_default())
    }
}

/// One connection.
pub(crate) struct Client {
    runtime: Runtime,
    sender: SendRequest<Frames>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.unwrap();
            let (sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender }
    }

    fn request(path: &str, headers: &[(&str, &str)], body: Frames) -> Request<Frames> {
        let mut request = Request::post(format!("http://agent{path}")).header("te", "trailers");
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/grpc");
        }
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(body).unwrap()
    }

    /// One call to its end.
    pub(crate) fn call(&mut self, path: &str, headers: &[(&str, &str)], body: Frames) -> Answer {
        let request = Self::request(path, headers, body);
        let answered = self.sender.send_request(request);
        self.runtime.block_on(async {
            let answer = timeout(Duration::from_secs(60), answered).await.unwrap().unwrap();
            let (head, body) = answer.into_parts();
            let body = body.collect().await.unwrap();
            let trailers = body.trailers().cloned();
            Answer { http_status: head.status, headers: head.headers, message: body.to_bytes(), trailers }
        })
    }

    /// So many calls at once; gives how many are answered with success.
    pub(crate) fn export_at_once(&self, calls: usize, path: &str, message: &[u8]) -> usize {
        let answers: Vec<_> = (0..calls)
            .map(|_| {
                let request = Self::request(path, &[], Frames::new([framed(0, message)]));
                let answered = self.sender.clone().send_request(request);
                self.runtime.spawn(async move {
                    let body = answered.await.unwrap().into_body().collect().await.unwrap();
                    body.trailers().is_some_and(|trailers| trailers["grpc-status"] == "0")
                })
            })
            .collect();
        self.runtime.block_on(async {
            let mut good = 0;
            for answer in answers {
                good += usize::from(timeout(Duration::from_secs(20), answer).await.unwrap().unwrap());
            }
            good
        })
    }

    /// A message, plain, in one frame.
    pub(crate) fn export(&mut self, path: &str, message: &[u8]) -> Answer {
        self.call(path, &[], Frames::new([framed(0, message)]))
    }

    /// Lets the calls that were begun go on.
    pub(crate) fn run(&self, time: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    /// Begins a call whose answer nobody waits for. It goes on while other calls do; aborting resets its stream.
    pub(crate) fn begin(&mut self, path: &str, body: Frames) -> JoinHandle<()> {
        let answered = self.sender.send_request(Self::request(path, &[], body));
        self.runtime.spawn(async move { drop(answered.await) })
    }
}

/// What a client says first: its preface and empty settings.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), content].concat()
}

/// A call's headers in HPACK, without compression.
pub(crate) fn call_headers() -> Vec<u8> {
    let text =
        |index: &[u8], text: &str| [index, &[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    // Of the static table: POST, http; then path, authority and content type with values of their own.
    [vec![0x83, 0x86], text(&[4], TRACES), text(&[1], "agent"), text(&[0x0f, 16], "application/grpc")]
        .concat()
}
