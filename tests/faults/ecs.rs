//! An ECS and an SQS that forget, throttle and repeat themselves.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use bytes::BytesMut;
use fastrand::Rng;
use serde_json::{Value, json};
use siphon_core::shard::Shard;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};

use crate::{dice::Dice, http::Message, metadata::arn, proxy::reset};

/// What becomes of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lapse {
    /// 400, ThrottlingException.
    Throttle,
    /// 500.
    Fail,
    /// The connection is reset.
    Reset,
    /// A page of ListTasks has no tasks, DescribeTasks finds none, SQS takes no message.
    Empty,
    /// ListTasks ends with this page, whatever is behind it.
    Short,
}

impl Lapse {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        [Self::Throttle, Self::Throttle, Self::Fail, Self::Reset, Self::Empty, Self::Short][rng.usize(..6)]
    }
}

/// Tasks of one page of ListTasks.
const PAGE: usize = 2;

const CLUSTER: &str = "faults";

/// Both services on one port. Serve until their runtime ends.
pub(crate) struct Ecs {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    dice: Dice<Lapse>,
    /// Number and address.
    tasks: Mutex<Vec<(u32, IpAddr)>>,
    queue: Mutex<Vec<Shard>>,
}

impl Ecs {
    pub(crate) async fn start(dice: Dice<Lapse>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let shared = Arc::new(Shared { dice, tasks: Mutex::default(), queue: Mutex::default() });
        let ecs = Self { address: listener.local_addr().unwrap(), shared: Arc::clone(&shared) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { shared.serve(stream).await });
            }
        });
        ecs
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The tasks that run from now on.
    pub(crate) fn set_tasks(&self, tasks: Vec<(u32, IpAddr)>) {
        *self.shared.tasks.lock().unwrap() = tasks;
    }

    /// The messages since the last call.
    pub(crate) fn receive(&self) -> Vec<Shard> {
        std::mem::take(&mut self.shared.queue.lock().unwrap())
    }

    /// No more lapses.
    pub(crate) fn calm(&self) {
        self.shared.dice.calm();
    }
}

impl Shared {
    async fn serve(&self, mut stream: TcpStream) {
        let mut buffer = BytesMut::new();
        while let Ok(request) = Message::read(&mut stream, &mut buffer).await {
            let lapse = self.dice.roll();
            let refuse = |status, code| (status, json!({ "__type": code, "message": "told to" }));
            let (status, answer) = match lapse {
                Some(Lapse::Reset) => return reset(stream),
                Some(Lapse::Throttle) => refuse(400, "ThrottlingException"),
                Some(Lapse::Fail) => refuse(500, "ServerException"),
                _ => (200, self.answer(&request, lapse)),
            };
            let headers = [("content-type", "application/x-amz-json-1.1")];
            if stream.write_all(&Message::answer(status, &headers, answer.to_string()).bytes()).await.is_err()
            {
                return;
            }
        }
    }

    fn answer(&self, request: &Message, lapse: Option<Lapse>) -> Value {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let target = request.header("x-amz-target").unwrap_or_default();
        match target.rsplit_once('.').map_or("", |(_, operation)| operation) {
            "ListTasks" => self.list(&body, lapse),
            "DescribeTasks" => self.describe(&body, lapse),
            "SendMessageBatch" => self.send(&body, lapse),
            other => panic!("unexpected call {other}"),
        }
    }

    fn list(&self, body: &Value, lapse: Option<Lapse>) -> Value {
        let tasks = self.tasks.lock().unwrap();
        let from = body["nextToken"].as_str().map_or(0, |token| token.parse().unwrap()).min(tasks.len());
        let to = (from + PAGE).min(tasks.len());
        let page: Vec<_> = tasks[from..to].iter().map(|(task, _)| arn(*task)).collect();
        let arns = if matches!(lapse, Some(Lapse::Empty)) { Vec::new() } else { page };
        let ends = to == tasks.len() || matches!(lapse, Some(Lapse::Short));
        json!({ "taskArns": arns, "nextToken": (!ends).then(|| to.to_string()) })
    }

    fn describe(&self, body: &Value, lapse: Option<Lapse>) -> Value {
        let asked: Vec<_> = body["tasks"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        if matches!(lapse, Some(Lapse::Empty)) {
            let failures: Vec<_> =
                asked.iter().map(|arn| json!({ "arn": arn, "reason": "MISSING" })).collect();
            return json!({ "tasks": [], "failures": failures });
        }
        let tasks = self.tasks.lock().unwrap();
        let found = tasks.iter().filter(|(task, _)| asked.contains(&arn(*task).as_str()));
        let described = found.map(|(task, address)| {
            let interfaces = json!([{ "privateIpv4Address": address.to_string() }]);
            json!({
                "taskArn": arn(*task), "clusterArn": CLUSTER, "lastStatus": "RUNNING",
                "containers": [{ "name": "siphon-agent", "networkInterfaces": interfaces }],
            })
        });
        json!({ "tasks": described.collect::<Vec<_>>(), "failures": [] })
    }

    fn send(&self, body: &Value, lapse: Option<Lapse>) -> Value {
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in body["Entries"].as_array().unwrap() {
            let id = &entry["Id"];
            if matches!(lapse, Some(Lapse::Empty)) {
                failed.push(json!({ "Id": id, "Code": "InternalError", "SenderFault": false }));
                continue;
            }
            let shard = serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap();
            self.queue.lock().unwrap().push(shard);
            successful.push(json!({ "Id": id, "MessageId": id, "MD5OfMessageBody": "" }));
        }
        json!({ "Successful": successful, "Failed": failed })
    }
}
