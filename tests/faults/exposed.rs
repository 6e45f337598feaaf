//! What an application exposes for its agent to scrape: a text whose values are new each time, and now and then none.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::BytesMut;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};

use crate::{http::Message, world};

/// Of so many answers one is an error.
const ERROR_EVERY: u32 = 8;

/// Samples of one text.
pub(crate) const SAMPLES: u64 = 2;

/// Serves at a new address until its runtime ends. `id` is this application's alone.
pub(crate) async fn start(id: String) -> SocketAddr {
    let listener = TcpListener::bind((world::address(), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers = Arc::new(AtomicU32::new(0));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, id.clone(), Arc::clone(&answers)));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, id: String, answers: Arc<AtomicU32>) {
    let mut buffer = BytesMut::new();
    while Message::read(&mut stream, &mut buffer).await.is_ok() {
        let n = answers.fetch_add(1, Ordering::Relaxed) + 1;
        let answer = if n.is_multiple_of(ERROR_EVERY) {
            Message::answer(500, &[], "told to")
        } else {
            Message::answer(200, &[("content-type", "text/plain; version=0.0.4")], text(&id, n))
        };
        if stream.write_all(&answer.bytes()).await.is_err() {
            return;
        }
    }
}

fn text(id: &str, n: u32) -> String {
    let level = f64::from(n).sqrt();
    format!(
        "# TYPE faults_exposed gauge\nfaults_exposed{{key=\"{id}-exposed\"}} {level}\n\
         # TYPE faults_exposed_total counter\nfaults_exposed_total{{key=\"{id}-exposed-total\"}} {n}\n"
    )
}

/// Keys and values of such a text.
pub(crate) fn read(text: &[u8]) -> Vec<(String, f64)> {
    let lines = std::str::from_utf8(text).unwrap().lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let key = series.split('"').nth(1).unwrap();
        (key.to_owned(), value.parse().unwrap())
    };
    lines.map(sample).collect()
}
