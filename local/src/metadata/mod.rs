//! The task metadata endpoint, version 4, of every task: Fargate's shape, awsvpc networking.
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html>

mod container;
mod document;

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{
    clock, lock,
    tasks::{AGENT_CONTAINER, Task},
};
use container::{Container, Spread, Usage};

/// How often ECS reads a container's counters.
const READ_EVERY: Duration = Duration::from_secs(1);

/// All tasks' endpoints: a path's container id tells whose.
pub(crate) struct Metadata {
    tasks: Arc<Vec<Task>>,
    /// Task by task.
    containers: Mutex<Vec<[Container; 2]>>,
    address: std::net::SocketAddr,
}

impl Metadata {
    /// Serves until the program ends.
    pub(crate) async fn start(tasks: Arc<Vec<Task>>) -> anyhow::Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let containers = tasks
            .iter()
            .map(|task| [Container::application(task), Container::agent(task, AGENT_CONTAINER)])
            .collect();
        let metadata =
            Arc::new(Self { tasks, containers: Mutex::new(containers), address: listener.local_addr()? });
        let router = Router::new()
            .route("/v4/{container}", get(one_container))
            .route("/v4/{container}/stats", get(one_stats))
            .route("/v4/{container}/task", get(task))
            .route("/v4/{container}/task/stats", get(task_stats))
            .with_state(Arc::clone(&metadata));
        tokio::spawn(async move { axum::serve(listener, router).await });
        tokio::spawn(Arc::clone(&metadata).read_counters());
        Ok(metadata)
    }

    pub(crate) const fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// What ECS sets `ECS_CONTAINER_METADATA_URI_V4` to in the agent's container of `task`.
    pub(crate) fn agent_uri(&self, task: &Task) -> String {
        let id = lock(&self.containers).get(task.index).map(|[_, agent]| agent.docker_id.clone());
        format!("http://{}/v4/{}", self.address, id.unwrap_or_default())
    }

    async fn read_counters(self: Arc<Self>) {
        let mut tick = tokio::time::interval(READ_EVERY);
        let mut spreads: Vec<_> = self.tasks.iter().map(|_| Spread::default()).collect();
        loop {
            tick.tick().await;
            let now = clock::now();
            let mut containers = lock(&self.containers);
            for ((task, spread), [application, agent]) in
                self.tasks.iter().zip(&mut spreads).zip(containers.iter_mut())
            {
                let requests = spread.next(task.requests.load(Ordering::Relaxed));
                if task.status().serves() {
                    let usage = Usage::of_application(task.index, requests, application.latest(), now);
                    application.read(now, &usage);
                }
                agent.read(now, &Usage::of_process(task.agent_pid.load(Ordering::Relaxed), agent.latest()));
            }
        }
    }

    /// What `show` makes of the task that the container is in, and of the container's place in it.
    fn find(
        &self,
        container: &str,
        show: impl Fn(&Task, &[Container; 2], usize) -> Option<Value>,
    ) -> Response {
        let containers = lock(&self.containers);
        let found = self.tasks.iter().zip(containers.iter()).find_map(|(task, containers)| {
            let at = containers.iter().position(|c| c.docker_id == container)?;
            show(task, containers, at)
        });
        match found {
            Some(value) => Json(value).into_response(),
            None => (StatusCode::NOT_FOUND, "no such container").into_response(),
        }
    }
}

async fn one_container(State(metadata): State<Arc<Metadata>>, Path(container): Path<String>) -> Response {
    metadata.find(&container, |task, containers, at| {
        Some(document::container(task, &task.identity()?, containers.get(at)?))
    })
}

async fn one_stats(State(metadata): State<Arc<Metadata>>, Path(container): Path<String>) -> Response {
    metadata.find(&container, |_, containers, at| Some(document::stats(containers.get(at)?)))
}

async fn task(State(metadata): State<Arc<Metadata>>, Path(container): Path<String>) -> Response {
    metadata.find(&container, |task, containers, _| Some(document::task(task, &task.identity()?, containers)))
}

async fn task_stats(State(metadata): State<Arc<Metadata>>, Path(container): Path<String>) -> Response {
    metadata.find(&container, |task, containers, _| {
        let stats = |c: &Container| {
            if document::has_stopped(task, c) { Value::Null } else { document::stats(c) }
        };
        Some(containers.iter().map(|c| (c.docker_id.clone(), stats(c))).collect())
    })
}

#[cfg(test)]
mod tests {
    use siphon_core::units::UnixMillis;

    use super::*;
    use crate::{
        http_client::HttpClient,
        tasks::{Status, lay_out},
    };

    #[tokio::test]
    async fn each_task_has_its_own_answers() {
        let tasks = Arc::new(lay_out(2, false, None, UnixMillis(1_795_000_000_000)).unwrap());
        let metadata = Metadata::start(Arc::clone(&tasks)).await.unwrap();
        let client = HttpClient::new();
        for task in tasks.iter() {
            let uri = metadata.agent_uri(task);
            let answer: Value =
                serde_json::from_slice(&client.get(&format!("{uri}/task")).await.unwrap()).unwrap();
            assert_eq!(answer["TaskARN"], task.identity().unwrap().arn);
            assert_eq!(answer["Containers"][1]["Name"], "siphon-agent");
            assert_eq!(answer["Containers"][0]["Networks"][0]["NetworkMode"], "awsvpc");
            let stats: Value =
                serde_json::from_slice(&client.get(&format!("{uri}/task/stats")).await.unwrap()).unwrap();
            let id = answer["Containers"][0]["DockerId"].as_str().unwrap();
            assert!(stats[id]["cpu_stats"]["cpu_usage"]["total_usage"].as_u64().unwrap() > 0);
            let own: Value = serde_json::from_slice(&client.get(&uri).await.unwrap()).unwrap();
            assert!(uri.ends_with(own["DockerId"].as_str().unwrap()));
        }
        assert!(client.get(&format!("http://{}/v4/other/task", metadata.address())).await.is_err());
    }
    #[tokio::test]
    async fn the_application_ends_when_its_task_is_stopped() {
        let tasks = Arc::new(lay_out(1, false, None, UnixMillis(1_795_000_000_000)).unwrap());
        let metadata = Metadata::start(Arc::clone(&tasks)).await.unwrap();
        let (client, uri) = (HttpClient::new(), metadata.agent_uri(&tasks[0]));
        tasks[0].set_status(Status::Stopping);
        let task: Value = serde_json::from_slice(&client.get(&format!("{uri}/task")).await.unwrap()).unwrap();
        let [application, agent] = [0, 1].map(|n| &task["Containers"][n]);
        assert_eq!((&application["KnownStatus"], &application["ExitCode"]), (&"STOPPED".into(), &0.into()));
        assert_eq!((&agent["KnownStatus"], &agent["ExitCode"]), (&"RUNNING".into(), &Value::Null));
        let stats = client.get(&format!("{uri}/task/stats")).await.unwrap();
        let stats: Value = serde_json::from_slice(&stats).unwrap();
        assert!(stats[application["DockerId"].as_str().unwrap()].is_null());
        assert!(stats[agent["DockerId"].as_str().unwrap()].is_object());
    }
}
