//! The task metadata endpoint, version 4: plain HTTP within the task
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html>).

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::net::client::{self, Unreachable};

/// No answer is read further. A three-container task's is about 12 KB.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Where the endpoint is: `ECS_CONTAINER_METADATA_URI_V4`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host and port to connect to.
    address: String,
    /// As the `Host` header has it.
    authority: String,
    /// Without a slash at the end.
    path: String,
}

/// A text is no endpoint.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a URI that begins with http://, such as http://169.254.170.2/v4/0123456789abcdef-0123456789")]
pub struct EndpointError;

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let uri: Uri = text.parse().map_err(|_| EndpointError)?;
        let authority = uri.authority().ok_or(EndpointError)?;
        if uri.scheme_str() != Some("http") || authority.host().is_empty() {
            return Err(EndpointError);
        }
        Ok(Self {
            address: format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)),
            authority: authority.to_string(),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

/// Why an answer is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The status is not 200.
    #[error("answered with status {0}, not 200")]
    Status(u16),
    /// The body is not the JSON object it should be.
    #[error("answered with something else than expected: {0}")]
    Invalid(String),
    /// No whole answer in time.
    #[error("did not answer in time")]
    Timeout,
    /// No connection, or it broke.
    #[error("could not be asked: {0}")]
    Unreachable(String),
    /// The body is over the limit.
    #[error("answered with more than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
}

impl Failure {
    /// The reason in the counter.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Invalid(_) => "invalid",
            Self::Timeout => "timeout",
            Self::Unreachable(_) => "unreachable",
            Self::TooLarge => "too_large",
        }
    }
}

impl Endpoint {
    /// The last segment of the path: on Fargate the id of the agent's own container, elsewhere an id of the endpoint's.
    #[must_use]
    pub fn container(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The answer of `/task`, with the task's ARN.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn task(&self, deadline: Instant) -> Result<(Vec<u8>, String), Failure> {
        let body = self.get("/task", deadline).await?;
        let arn = text(&object(&body)?, "TaskARN")?;
        Ok((body, arn))
    }

    /// The answer of `/task/stats`.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn stats(&self, deadline: Instant) -> Result<Vec<u8>, Failure> {
        let body = self.get("/task/stats", deadline).await?;
        object(&body)?;
        Ok(body)
    }

    /// The id of the agent's own container, as `/task` has it too.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn own_id(&self, deadline: Instant) -> Result<String, Failure> {
        let body = self.get("", deadline).await?;
        text(&object(&body)?, "DockerId")
    }

    async fn get(&self, path: &str, deadline: Instant) -> Result<Vec<u8>, Failure> {
        tokio::time::timeout_at(deadline, self.exchange(path)).await.unwrap_or(Err(Failure::Timeout))
    }

    async fn exchange(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let request = Request::get(format!("{}{path}", self.path))
            .header(header::HOST, &self.authority)
            .header(header::ACCEPT, "application/json")
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| Failure::Unreachable(error.to_string()))?;
        client::exchange(&self.address, request, async |response| {
            if response.status() != StatusCode::OK {
                return Err(Failure::Status(response.status().as_u16()));
            }
            whole(response.into_body()).await
        })
        .await
    }
}

impl From<Unreachable> for Failure {
    fn from(unreachable: Unreachable) -> Self {
        Self::Unreachable(unreachable.to_string())
    }
}

async fn whole(mut body: Incoming) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Unreachable::Broken)?;
        let data = frame.data_ref().map_or(&[][..], |data| &data[..]);
        if bytes.len() + data.len() > MAX_ANSWER_BYTES {
            return Err(Failure::TooLarge);
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

/// The members of a JSON object, which `body` must be, whole and with nothing after it.
fn object(body: &[u8]) -> Result<BTreeMap<String, &RawValue>, Failure> {
    let text =
        std::str::from_utf8(body).map_err(|error| Failure::Invalid(format!("text is not UTF-8: {error}")))?;
    serde_json::from_str(text).map_err(|error| Failure::Invalid(format!("no JSON object: {error}")))
}

fn text(object: &BTreeMap<String, &RawValue>, name: &str) -> Result<String, Failure> {
    let text = object.get(name).and_then(|value| serde_json::from_str::<String>(value.get()).ok());
    text.filter(|text| !text.is_empty()).ok_or_else(|| Failure::Invalid(format!("no {name} in it")))
}

/// The ids of the containers of an answer of `/task` that still run, but for `own` and those that ECS adds to a task and
/// ends after all others, such as the pause container. What can't be read doesn't run.
#[must_use]
pub fn running(task: &[u8], own: &str) -> BTreeSet<String> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Container {
        docker_id: Lenient<String>,
        known_status: Lenient<String>,
        r#type: Lenient<String>,
    }
    let is_ours = |c: &Container| matches!(c.r#type.0.as_str(), "" | "NORMAL") && c.docker_id.0 != own;
    containers(task)
        .filter(|c: &Container| is_ours(c) && c.known_status.0 == "RUNNING")
        .map(|c| c.docker_id.0)
        .collect()
}

/// A field of an answer. One that is left out, `null`, or something else than expected is empty: it costs only itself.
#[derive(Debug, Default)]
pub struct Lenient<T>(pub T);

impl<'de, T: DeserializeOwned + Default> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(json)?;
        Ok(Self(serde_json::from_str(json.get()).unwrap_or_default()))
    }
}

/// The containers of an answer of `/task`, but for those that can't be read.
pub fn containers<T: DeserializeOwned>(task: &[u8]) -> impl Iterator<Item = T> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Task<'a> {
        #[serde(borrow)]
        containers: Vec<&'a RawValue>,
    }
    let entries = serde_json::from_slice::<Task<'_>>(task).map(|task| task.containers).unwrap_or_default();
    entries.into_iter().filter_map(|entry| serde_json::from_str(entry.get()).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_endpoint_is_a_plain_http_uri() {
        let endpoint: Endpoint = "http://169.254.170.2/v4/abc-123/".parse().unwrap();
        assert_eq!(
            (endpoint.address.as_str(), endpoint.path.as_str(), endpoint.container()),
            ("169.254.170.2:80", "/v4/abc-123", "abc-123")
        );
        let endpoint: Endpoint = "http://127.0.0.1:8080".parse().unwrap();
        assert_eq!((endpoint.address.as_str(), endpoint.container()), ("127.0.0.1:8080", ""));
        for text in ["", "https://169.254.170.2/v4", "/v4/abc", "http:///v4", "169.254.170.2"] {
            assert_eq!(text.parse::<Endpoint>(), Err(EndpointError), "{text}");
        }
    }

    #[test]
    fn only_a_whole_object_is_an_answer() {
        assert!(object(br#"{"a":{"b":[1,null]}}"#).is_ok());
        for body in
            [&b""[..], b"\"throttled\"", b"null", b"[{}]", br#"{"a":{"b":"#, b"{} {}", b"{\"a\":\"\xff\"}"]
        {
            assert_eq!(object(body).unwrap_err().reason(), "invalid", "{body:?}");
        }
    }

    #[test]
    fn a_task_has_an_arn() {
        let arn = |body| text(&object(body).unwrap(), "TaskARN");
        assert_eq!(arn(br#"{"TaskARN":"arn:\u0061ws"}"#).unwrap(), "arn:aws");
        for body in [&b"{}"[..], br#"{"TaskARN":""}"#, br#"{"TaskARN":7}"#, br#"{"TaskARN":null}"#] {
            assert!(arn(body).is_err());
        }
    }

    proptest! {
        /// Whatever stands beside it, what can be read of a task is.
        #[test]
        fn odd_json_costs_only_itself(
            odd in "[\\[\\]{}\":,a-z0-9 \\\\-]{0,40}",
            value in prop::sample::select(vec!["null", "7", "[]", "[null]", "{}", "{\"a\":[{}]}"]),
            field in prop::sample::select(vec!["Type", "Networks", "Labels", "DockerName", "Limits"]),
            bytes in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let odd = serde_json::from_str::<&RawValue>(&odd).map_or("null", RawValue::get);
            let container = format!(r#"{{"{field}":{value},"DockerId":"app","KnownStatus":"RUNNING"}}"#);
            let task = format!(r#"{{"Odd":{value},"Containers":[{odd},{container}]}}"#);
            prop_assert!(running(task.as_bytes(), "own").contains("app"), "{}", task);
            let half = &task.as_bytes()[..task.len() - 1];
            prop_assert!(running(half, "own").is_empty() && running(&bytes, "own").is_empty());
        }
    }

    #[test]
    fn others_run_until_they_have_stopped() {
        let container = |id: &str, kind: &str, status: &str| {
            format!(r#"{{"DockerId":"{id}","Type":"{kind}","KnownStatus":"{status}"}}"#)
        };
        let entries = [
            container("app", "NORMAL", "RUNNING"),
            container("old", "", "RUNNING"),
            container("own", "NORMAL", "RUNNING"),
            container("done", "NORMAL", "STOPPED"),
            container("pause", "CNI_PAUSE", "RUNNING"),
            "7".to_owned(),
            r#"{"DockerId":"untyped","Type":null,"KnownStatus":"RUNNING"}"#.to_owned(),
            r#"{"DockerId":"odd","Type":7,"KnownStatus":"RUNNING"}"#.to_owned(),
            r#"{"DockerId":null,"Type":null,"KnownStatus":null}"#.to_owned(),
        ];
        let task = format!(r#"{{"TaskARN":"arn","Containers":[{}]}}"#, entries.join(","));
        assert_eq!(
            running(task.as_bytes(), "own"),
            ["app", "odd", "old", "untyped"].map(str::to_owned).into()
        );
        for task in ["{}", r#"{"Containers":null}"#, "", r#"{"Containers":[]}"#] {
            assert!(running(task.as_bytes(), "own").is_empty(), "{task}");
        }
    }
}
