//! HTTP, as little of it as tests need: a client that waits for its answer, and a server from a closure.

use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net, runtime, task};

/// What a server is asked: method, path and query, headers, body.
pub type Request = hyper::Request<Bytes>;
/// What it answers.
pub type Answer = hyper::Response<Full<Bytes>>;

/// An answer of `status` with `body`.
///
/// # Panics
/// If `status` is none.
pub fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    hyper::Response::builder().status(status).body(Full::new(body.into())).unwrap()
}

/// A server on a port of its own. Ends when dropped.
pub struct Server {
    address: SocketAddr,
    runtime: Option<runtime::Runtime>,
}

impl Server {
    /// Answers every request with what `handler` makes of it. A handler may block.
    ///
    /// # Panics
    /// If no port can be had.
    #[must_use]
    pub fn start(handler: impl Fn(Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_io().build().unwrap();
        runtime.spawn(accept(listener, Arc::new(handler)));
        Self { address, runtime: Some(runtime) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // a handler may be waiting
        }
    }
}

async fn accept<H: Fn(Request) -> Answer + Send + Sync + 'static>(listener: TcpListener, handler: Arc<H>) {
    let listener = net::TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let handler = Arc::clone(&handler);
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let handler = Arc::clone(&handler);
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                let request = Request::from_parts(head, body);
                let answer = task::spawn_blocking(move || handler(request)).await;
                Ok::<_, Infallible>(
                    answer.unwrap_or_else(|_| self::answer(500, "the test's handler panicked")),
                )
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// A port of 127.0.0.1 that is free now.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The body that `url` answers with, if the status is 200. `query` is appended, encoded.
#[must_use]
pub fn get(url: &str, query: &[(&str, &str)]) -> Option<String> {
    let query: Vec<_> =
        query.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
    let answer = minreq::get(format!("{url}?{}", query.join("&"))).with_timeout(10).send().ok()?;
    (answer.status_code == 200).then(|| answer.as_str().map(str::to_owned).ok())?
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
