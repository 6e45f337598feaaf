//! AWS Secrets Manager: one secret with versions, fails as told.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::request::Parts;
use serde_json::{Value, json};

use super::{Answer, answer, header, serve};

/// The secret's ARN.
pub(crate) const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:siphon-AbCdEf";

#[derive(Default)]
pub(crate) struct State {
    /// Stage -> text.
    pub(crate) versions: BTreeMap<&'static str, String>,
    /// How each call ends, in place of a text: status, code.
    pub(crate) refusal: Option<(u16, &'static str)>,
    /// The stages that were asked for.
    pub(crate) calls: Vec<String>,
}

pub(crate) struct Secrets {
    state: Arc<Mutex<State>>,
    pub(crate) url: String,
}

impl Secrets {
    /// With these texts as the current version and the one before it.
    pub(crate) async fn start(current: &str, previous: Option<&str>) -> Self {
        let state = Arc::default();
        let served = serve("127.0.0.1:0", &state, State::respond).await;
        let secrets = Self { state, url: format!("http://{}", served.address) };
        secrets.rotate(current, previous);
        secrets
    }

    pub(crate) fn rotate(&self, current: &str, previous: Option<&str>) {
        let versions = [("AWSCURRENT", Some(current)), ("AWSPREVIOUS", previous)];
        let versions = versions.into_iter().filter_map(|(stage, text)| Some((stage, text?.to_owned())));
        self.edit(|state| state.versions = versions.collect());
    }

    pub(crate) fn edit<T>(&self, edit: impl FnOnce(&mut State) -> T) -> T {
        edit(&mut self.state.lock().unwrap())
    }

    pub(crate) fn calls(&self) -> usize {
        self.edit(|state| state.calls.len())
    }
}

impl State {
    fn respond(&mut self, head: &Parts, body: Bytes) -> Option<Answer> {
        assert_eq!(header(head, "x-amz-target"), "secretsmanager.GetSecretValue");
        assert_eq!(header(head, "content-type"), "application/x-amz-json-1.1");
        assert!(header(head, "authorization").contains("/eu-west-1/secretsmanager/aws4_request"));
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["SecretId"], ARN);
        let stage = body["VersionStage"].as_str().unwrap();
        self.calls.push(stage.to_owned());
        if let Some((status, code)) = self.refusal {
            return Some(answer(status, json!({ "__type": code, "Message": "told to" }).to_string()));
        }
        match self.versions.get(stage) {
            Some(text) => {
                Some(answer(200, json!({ "ARN": ARN, "Name": "siphon", "SecretString": text }).to_string()))
            }
            None => Some(answer(400, json!({ "__type": "ResourceNotFoundException" }).to_string())),
        }
    }
}
