//! An ECS and an SQS on 127.0.0.1 that speak AWS JSON and answer as they are told.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    sync::{Arc, Mutex},
};

use aws_sdk_ecs::config::{Credentials, Region};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use siphon_core::shard::Shard;
use siphon_enumerate::{clients, handler::Context, settings::Config};
use tokio::net::TcpListener;

/// What the fakes know and how they fail.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) tasks: Vec<Value>,
    /// Clusters whose ListTasks is refused.
    pub(crate) broken: Vec<&'static str>,
    /// ARNs that DescribeTasks doesn't find.
    pub(crate) missing: Vec<String>,
    /// Calls to throttle before any is answered.
    pub(crate) throttle: usize,
    /// Entries of the next SendMessageBatch to fail: id, whether it is the sender's fault.
    pub(crate) fail_messages: Vec<(&'static str, bool)>,
    calls: HashMap<String, usize>,
    shards: Vec<Shard>,
}

impl World {
    pub(crate) fn task(&mut self, cluster: &str, n: usize, status: &str, containers: &[&str]) {
        let interface = json!([{ "privateIpv4Address": format!("10.0.{}.{}", n / 250, n % 250) }]);
        let container = |name| json!({ "name": name, "networkInterfaces": interface });
        self.tasks.push(json!({
            "taskArn": arn(cluster, n),
            "clusterArn": cluster,
            "lastStatus": status,
            "containers": containers.iter().map(container).collect::<Vec<_>>(),
        }));
    }

    fn answer(&mut self, operation: &str, body: &Value) -> (u16, Value) {
        *self.calls.entry(operation.to_owned()).or_default() += 1;
        if self.throttle > 0 {
            self.throttle -= 1;
            return (400, json!({ "__type": "ThrottlingException", "message": "Rate exceeded" }));
        }
        match operation {
            "ListClusters" => {
                let clusters: BTreeSet<_> =
                    self.tasks.iter().map(|t| t["clusterArn"].as_str().unwrap()).collect();
                (200, json!({ "clusterArns": clusters }))
            }
            "ListTasks" => self.list_tasks(body),
            "DescribeTasks" => self.describe_tasks(body),
            "SendMessageBatch" => self.send(body),
            other => panic!("unexpected call {other}"),
        }
    }

    fn list_tasks(&self, body: &Value) -> (u16, Value) {
        assert_eq!(body["desiredStatus"], "RUNNING");
        let cluster = body["cluster"].as_str().unwrap();
        if self.broken.contains(&cluster) {
            return (400, json!({ "__type": "ClusterNotFoundException", "message": "no such cluster" }));
        }
        let of_cluster = self.tasks.iter().filter(|task| task["clusterArn"] == cluster);
        let arns: Vec<_> = of_cluster.map(|task| &task["taskArn"]).collect();
        let from: usize = body["nextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let to = (from + 100).min(arns.len());
        let next = (to < arns.len()).then(|| to.to_string());
        (200, json!({ "taskArns": arns[from..to], "nextToken": next }))
    }

    fn describe_tasks(&self, body: &Value) -> (u16, Value) {
        let asked = body["tasks"].as_array().unwrap();
        assert!(asked.len() <= 100);
        let (missing, found): (Vec<_>, Vec<_>) = asked
            .iter()
            .map(|arn| arn.as_str().unwrap())
            .partition(|arn| self.missing.iter().any(|missing| missing == arn));
        let failures: Vec<_> = missing.iter().map(|arn| json!({ "arn": arn, "reason": "MISSING" })).collect();
        let tasks: Vec<_> =
            self.tasks.iter().filter(|task| found.contains(&task["taskArn"].as_str().unwrap())).collect();
        (200, json!({ "tasks": tasks, "failures": failures }))
    }

    fn send(&mut self, body: &Value) -> (u16, Value) {
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        let failures = std::mem::take(&mut self.fail_messages);
        for entry in body["Entries"].as_array().unwrap() {
            let (id, text) = (entry["Id"].as_str().unwrap(), entry["MessageBody"].as_str().unwrap());
            if let Some((_, fault)) = failures.iter().find(|(failing, _)| *failing == id) {
                failed.push(json!({ "Id": id, "Code": "InternalError", "SenderFault": fault }));
                continue;
            }
            self.shards.push(serde_json::from_str(text).unwrap());
            successful.push(json!({ "Id": id, "MessageId": id, "MD5OfMessageBody": "" }));
        }
        (200, json!({ "Successful": successful, "Failed": failed }))
    }
}

pub(crate) fn arn(cluster: &str, n: usize) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task/{cluster}/{n:032x}")
}

/// Both services, on one port.
pub(crate) struct FakeAws {
    world: Arc<Mutex<World>>,
    url: String,
}

impl FakeAws {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let world: Arc<Mutex<World>> = Arc::default();
        tokio::spawn(serve(listener, Arc::clone(&world)));
        Self { world, url }
    }

    pub(crate) fn edit(&self, edit: impl FnOnce(&mut World)) {
        edit(&mut self.world.lock().unwrap());
    }

    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.world.lock().unwrap().calls.get(operation).copied().unwrap_or(0)
    }

    /// What is in the queue, sorted by the first task.
    pub(crate) fn take_shards(&self) -> Vec<Shard> {
        let mut shards = std::mem::take(&mut self.world.lock().unwrap().shards);
        shards.sort_by(|a, b| a.targets.cmp(&b.targets));
        shards
    }

    pub(crate) async fn context(&self, clusters: &[&str]) -> Context {
        let clusters = clusters.join(",");
        let config = Config::read(|name| match name {
            "SIPHON_QUEUE_URL" => Some(format!("{}/123456789012/shards", self.url)),
            "SIPHON_CLUSTERS" => Some(clusters.clone()),
            _ => None,
        });
        let aws = clients::aws()
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .endpoint_url(&self.url)
            .load()
            .await;
        Context::new(config.unwrap(), &aws)
    }
}

async fn serve(listener: TcpListener, world: Arc<Mutex<World>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let world = Arc::clone(&world);
        let service = service_fn(move |request| answer(Arc::clone(&world), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    world: Arc<Mutex<World>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.headers()["x-amz-target"].to_str().unwrap().to_owned();
    assert!(request.headers().contains_key("authorization"), "every call is signed");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (_, operation) = target.split_once('.').unwrap();
    let (status, answer) = world.lock().unwrap().answer(operation, &serde_json::from_slice(&body).unwrap());
    Ok(Response::builder().status(status).body(Full::new(answer.to_string().into())).unwrap())
}
