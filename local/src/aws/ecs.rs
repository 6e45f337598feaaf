//! ECS: ListClusters, ListTasks, DescribeTasks, with real paging, limits and throttling.
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/>

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    json::{Refusal, read},
    throttle::Bucket,
};
use crate::{
    clock,
    tasks::{AGENT_CONTAINER, Identity, Status, Task},
};

/// The service's part of `X-Amz-Target`.
pub(crate) const TARGET: &str = "AmazonEC2ContainerServiceV20141113";

/// No page and no batch is larger.
const MAX_RESULTS: usize = 100;

pub(crate) struct Ecs {
    tasks: Arc<Vec<Task>>,
    cluster_reads: Bucket,
    cluster_resource_reads: Bucket,
}

/// A task whose identity is known.
pub(super) struct Known<'a> {
    pub(super) task: &'a Task,
    pub(super) identity: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListClusters {
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListTasks {
    cluster: Option<String>,
    family: Option<String>,
    service_name: Option<String>,
    launch_type: Option<String>,
    desired_status: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct DescribeTasks {
    cluster: Option<String>,
    #[serde(default)]
    tasks: Vec<String>,
}

impl Ecs {
    pub(crate) fn new(tasks: Arc<Vec<Task>>) -> Self {
        Self { tasks, cluster_reads: Bucket::new(50, 20), cluster_resource_reads: Bucket::new(100, 20) }
    }

    pub(crate) fn answer(&self, operation: &str, body: &[u8]) -> Result<Value, Refusal> {
        let bucket =
            if operation == "ListClusters" { &self.cluster_reads } else { &self.cluster_resource_reads };
        if !bucket.take(clock::now()) {
            return Err(Refusal::new("ThrottlingException", "Rate exceeded"));
        }
        match operation {
            "ListClusters" => self.list_clusters(&read(body)?),
            "ListTasks" => self.list_tasks(&read(body)?),
            "DescribeTasks" => self.describe_tasks(&read(body)?),
            other => Err(Refusal::new("UnknownOperationException", format!("{other} is not stood in for"))),
        }
    }

    fn known(&self) -> impl Iterator<Item = Known<'_>> {
        self.tasks.iter().filter_map(|task| Some(Known { task, identity: task.identity()? }))
    }

    fn list_clusters(&self, request: &ListClusters) -> Result<Value, Refusal> {
        let mut arns: Vec<_> = self.known().map(|known| known.identity.cluster_arn()).collect();
        arns.sort();
        arns.dedup();
        page("clusterArns", arns, request.max_results, request.next_token.as_deref())
    }

    fn list_tasks(&self, request: &ListTasks) -> Result<Value, Refusal> {
        let cluster = self.cluster(request.cluster.as_deref())?;
        let wants_running = match request.desired_status.as_deref() {
            None | Some("RUNNING") => true,
            Some("STOPPED") => false,
            Some("PENDING") => return page("taskArns", Vec::new(), None, None),
            Some(other) => return Err(invalid(format!("desiredStatus {other} is not valid"))),
        };
        let is = |wanted: &Option<String>, got: &str| wanted.as_deref().is_none_or(|w| w == got);
        let arns = self.known().filter(|Known { task, identity }| {
            // By what is desired: a task that is told to stop is not listed as running any more.
            (task.status() == Status::Running) == wants_running
                && identity.cluster_arn() == cluster
                && is(&request.family, &identity.family)
                && is(&request.service_name, &identity.service_name)
                && is(&request.launch_type, "FARGATE")
        });
        let arns = arns.map(|known| known.identity.arn).collect();
        page("taskArns", arns, request.max_results, request.next_token.as_deref())
    }

    fn describe_tasks(&self, request: &DescribeTasks) -> Result<Value, Refusal> {
        let cluster = self.cluster(request.cluster.as_deref())?;
        if request.tasks.is_empty() || request.tasks.len() > MAX_RESULTS {
            return Err(invalid(format!(
                "tasks must have 1 to {MAX_RESULTS} entries, got {}",
                request.tasks.len()
            )));
        }
        let known: BTreeMap<_, _> = self
            .known()
            .filter(|known| known.identity.cluster_arn() == cluster)
            .map(|known| (known.identity.id().to_owned(), known))
            .collect();
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for name in &request.tasks {
            let id = name.rsplit('/').next().unwrap_or_default();
            match known.get(id).filter(|known| !name.contains('/') || known.identity.arn == *name) {
                Some(known) => tasks.push(describe(known)),
                None => failures.push(json!({ "arn": name, "reason": "MISSING" })),
            }
        }
        Ok(json!({ "tasks": tasks, "failures": failures }))
    }

    /// The ARN of the cluster that a request names by ARN or short name.
    fn cluster(&self, name: Option<&str>) -> Result<String, Refusal> {
        let name = name.unwrap_or("default");
        self.known()
            .map(|known| known.identity.cluster_arn())
            .find(|arn| arn == name || arn.rsplit('/').next() == Some(name))
            .ok_or_else(|| Refusal::new("ClusterNotFoundException", "Cluster not found."))
    }
}

fn invalid(message: String) -> Refusal {
    Refusal::new("InvalidParameterException", message)
}

/// One page of `items`. The token is the place of the next page's first item.
fn page(
    key: &str,
    items: Vec<String>,
    max_results: Option<i64>,
    token: Option<&str>,
) -> Result<Value, Refusal> {
    let size = match max_results {
        None => MAX_RESULTS,
        Some(n) => usize::try_from(n)
            .ok()
            .filter(|n| (1..=MAX_RESULTS).contains(n))
            .ok_or_else(|| invalid(format!("maxResults must be from 1 to {MAX_RESULTS}, got {n}")))?,
    };
    let start = match token {
        None => 0,
        Some(token) => token
            .strip_prefix("from-")
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| invalid("Invalid token".to_owned()))?,
    };
    let rest = items.len().saturating_sub(start);
    let items: Vec<_> = items.into_iter().skip(start).take(size).collect();
    let mut answer = json!({ key: items });
    if rest > size
        && let Some(fields) = answer.as_object_mut()
    {
        fields.insert("nextToken".to_owned(), json!(format!("from-{}", start + size)));
    }
    Ok(answer)
}

/// A Fargate task in awsvpc mode: one network interface, shared by its containers.
pub(super) fn describe(Known { task, identity }: &Known<'_>) -> Value {
    let status = task.status();
    let running = if status == Status::Stopped { "STOPPED" } else { "RUNNING" };
    let attachment = format!("0a0b0c0d-0000-4000-8000-{:012}", task.index);
    let address = task.address.to_string();
    let container = |name: &str, cpu: &str, memory: &str| {
        json!({
            "containerArn": identity.container_arn(name),
            "taskArn": identity.arn,
            "name": name,
            "image": format!("{name}:latest"),
            "lastStatus": running,
            "networkBindings": [],
            "networkInterfaces": [{ "attachmentId": attachment, "privateIpv4Address": address }],
            "healthStatus": "HEALTHY",
            "cpu": cpu,
            "memory": memory,
        })
    };
    json!({
        "taskArn": identity.arn,
        "clusterArn": identity.cluster_arn(),
        "taskDefinitionArn": identity.task_definition_arn(),
        "group": format!("service:{}", identity.service_name),
        "attachments": [{
            "id": attachment,
            "type": "ElasticNetworkInterface",
            "status": if status == Status::Stopped { "DELETED" } else { "ATTACHED" },
            "details": [
                { "name": "subnetId", "value": "subnet-0local" },
                { "name": "networkInterfaceId", "value": format!("eni-{:017x}", task.index) },
                { "name": "macAddress", "value": "0a:de:f6:10:51:e5" },
                { "name": "privateDnsName", "value": format!("ip-{}.{}.compute.internal", address.replace('.', "-"), super::REGION) },
                { "name": "privateIPv4Address", "value": address },
            ],
        }],
        "containers": [container(task.service, "192", "448"), container(AGENT_CONTAINER, "64", "64")],
        "lastStatus": status.name(),
        "desiredStatus": if status == Status::Running { "RUNNING" } else { "STOPPED" },
        "healthStatus": "HEALTHY",
        "connectivity": "CONNECTED",
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "availabilityZone": format!("{}{}", super::REGION, if task.index.is_multiple_of(2) { 'a' } else { 'b' }),
        "cpu": "256",
        "memory": "512",
        "createdAt": clock::seconds(task.started_at),
        "startedAt": clock::seconds(task.started_at),
        "overrides": { "containerOverrides": [] },
        "tags": [],
        "version": 3,
    })
}

#[cfg(test)]
mod tests {
    use siphon_core::units::UnixMillis;

    use super::*;
    use crate::tasks::lay_out;

    fn ecs(tasks: usize) -> Ecs {
        Ecs::new(Arc::new(lay_out(tasks, false, None, UnixMillis(0)).unwrap()))
    }

    fn ask(ecs: &Ecs, operation: &str, body: &Value) -> Result<Value, Refusal> {
        ecs.answer(operation, body.to_string().as_bytes())
    }

    #[test]
    fn pages_together_hold_every_task_once() {
        let ecs = ecs(7);
        let (mut arns, mut token) = (Vec::new(), Value::Null);
        let mut pages = 0;
        loop {
            let page =
                ask(&ecs, "ListTasks", &json!({ "cluster": "shop", "maxResults": 3, "nextToken": token }))
                    .unwrap();
            arns.extend(page["taskArns"].as_array().unwrap().clone());
            pages += 1;
            match page.get("nextToken") {
                Some(next) => token = next.clone(),
                None => break,
            }
        }
        assert_eq!((pages, arns.len()), (3, 7));
        let described = ask(&ecs, "DescribeTasks", &json!({ "cluster": "shop", "tasks": arns })).unwrap();
        assert_eq!(described["tasks"].as_array().unwrap().len(), 7);
        assert_eq!(described["failures"], json!([]));
    }

    #[test]
    fn a_default_page_has_a_hundred() {
        let ecs = ecs(101);
        let page = ask(&ecs, "ListTasks", &json!({ "cluster": "shop" })).unwrap();
        assert_eq!(page["taskArns"].as_array().unwrap().len(), 100);
        assert_eq!(page["nextToken"], "from-100");
    }

    #[test]
    fn an_unknown_task_is_a_failure_of_its_own() {
        let ecs = ecs(1);
        let arn = &ask(&ecs, "ListTasks", &json!({ "cluster": "shop" })).unwrap()["taskArns"][0].clone();
        let answer =
            ask(&ecs, "DescribeTasks", &json!({ "cluster": "shop", "tasks": [arn, "gone"] })).unwrap();
        assert_eq!(answer["failures"], json!([{ "arn": "gone", "reason": "MISSING" }]));
        let task = &answer["tasks"][0];
        assert_eq!(task["containers"][1]["name"], "siphon-agent");
        let address = task["containers"][1]["networkInterfaces"][0]["privateIpv4Address"].as_str().unwrap();
        assert!(address.starts_with("127.0."), "{address}");
    }

    #[test]
    fn bad_requests_get_the_errors_of_ecs() {
        let ecs = ecs(1);
        let code = |operation: &str, body: Value| ask(&ecs, operation, &body).unwrap_err().code;
        assert_eq!(
            code("ListTasks", json!({})),
            "ClusterNotFoundException",
            "the default cluster does not exist"
        );
        assert_eq!(
            code("ListTasks", json!({ "cluster": "shop", "maxResults": 101 })),
            "InvalidParameterException"
        );
        assert_eq!(
            code("ListTasks", json!({ "cluster": "shop", "nextToken": "x" })),
            "InvalidParameterException"
        );
        assert_eq!(
            code("DescribeTasks", json!({ "cluster": "shop", "tasks": [] })),
            "InvalidParameterException"
        );
        assert_eq!(code("RunTask", json!({})), "UnknownOperationException");
        assert_eq!(ecs.answer("ListTasks", b"{").unwrap_err().code, "SerializationException");
        let throttled = (0..200).filter_map(|_| ask(&ecs, "ListTasks", &json!({ "cluster": "shop" })).err());
        assert!(throttled.into_iter().any(|refusal| refusal.code == "ThrottlingException"));
    }

    #[test]
    fn a_task_that_is_told_to_stop_moves_to_the_other_list() {
        let ecs = ecs(2);
        ecs.tasks[0].set_status(Status::Deactivating);
        let count = |status: &str| {
            let page =
                ask(&ecs, "ListTasks", &json!({ "cluster": "shop", "desiredStatus": status })).unwrap();
            page["taskArns"].as_array().unwrap().len()
        };
        assert_eq!((count("RUNNING"), count("STOPPED"), count("PENDING")), (1, 1, 0));
    }
}
