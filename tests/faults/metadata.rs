//! One metadata endpoint for all tasks: `/v4/N` is that of task number N.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::BytesMut;
use serde_json::json;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};

use crate::http::Message;

/// Serves until its runtime ends.
#[derive(Clone, Copy)]
pub(crate) struct Metadata(SocketAddr);

/// The ARN of task number `n`.
pub(crate) fn arn(n: u32) -> String {
    format!("arn:aws:ecs:eu-west-1:111122223333:task/faults/{n:032x}")
}

impl Metadata {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let metadata = Self(listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        metadata
    }

    /// What ECS would put into the environment of task number `n`.
    pub(crate) fn url(self, n: u32) -> String {
        format!("http://{}/v4/{n}", self.0)
    }
}

async fn serve(mut stream: TcpStream) {
    let mut buffer = BytesMut::new();
    while let Ok(request) = Message::read(&mut stream, &mut buffer).await {
        let answer = answer(request.path()).unwrap_or_else(|| Message::answer(404, &[], ""));
        if stream.write_all(&answer.bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(path: &str) -> Option<Message> {
    let (task, what) = path.strip_prefix("/v4/")?.split_once('/')?;
    let body = match what {
        "task" => json!({
            "Cluster": "faults", "TaskARN": arn(task.parse().ok()?), "Family": "faults", "Revision": "1",
            "Limits": { "CPU": 0.25, "Memory": 512 }, "Containers": [],
        }),
        "task/stats" => json!({}),
        _ => return None,
    };
    Some(Message::answer(200, &[("content-type", "application/json")], body.to_string()))
}
