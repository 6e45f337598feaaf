//! The receivers alone, in the process of whoever wants them: for tests that put faults in front of them and look at all
//! that was stored.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Response, Uri};
use serde_json::Value;

pub use crate::aws::{ACCESS_KEY_ID, REGION, REMOTE_WRITE_PATH, SECRET_ACCESS_KEY, SESSION_TOKEN};
use crate::{accounts::Accounts, amp::Amp, aws::xray::XRay, clock, memory::Memory, store::Store};

/// Amazon Managed Prometheus and X-Ray, as strict as in a whole run. Requests must be signed with this module's credentials.
pub struct Receivers {
    amp: Amp,
    xray: XRay,
    store: Arc<Store>,
    accounts: Arc<Accounts>,
}

/// What is stored of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// By name.
    pub labels: BTreeMap<String, String>,
    /// By time in milliseconds since the epoch: the value's bits (of a native histogram, a hash).
    pub points: BTreeMap<i64, u64>,
}

impl Default for Receivers {
    fn default() -> Self {
        let (accounts, store) = (Arc::new(Accounts::default()), Arc::new(Store::new(Memory::TEST)));
        Self {
            amp: Amp::new(Arc::clone(&accounts), Arc::clone(&store)),
            xray: XRay::new(Arc::clone(&accounts), Arc::clone(&store)),
            store,
            accounts,
        }
    }
}

impl Receivers {
    /// The answer to a POST: of Prometheus at [`REMOTE_WRITE_PATH`], of X-Ray at any other path.
    pub async fn answer(&self, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Response<Bytes> {
        let answer = if uri.path() == REMOTE_WRITE_PATH {
            self.amp.answer(uri, headers, body, clock::now())
        } else {
            self.xray.answer(uri, headers, body, clock::now())
        };
        let (head, body) = answer.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default(); // it is in memory already
        Response::from_parts(head, body)
    }

    /// Every series.
    #[must_use]
    pub fn series(&self) -> Vec<Series> {
        self.amp.series()
    }

    /// The latest document of each segment by its id.
    #[must_use]
    pub fn segments(&self) -> BTreeMap<String, Value> {
        self.store.traces(usize::MAX).into_iter().flat_map(|(_, trace)| trace).collect()
    }

    /// How many samples and documents were refused for good, by reason.
    #[must_use]
    pub fn refusals(&self) -> Vec<(String, u64)> {
        self.accounts.refusals()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::xray::Segment;

    #[test]
    fn every_segment_is_remembered() {
        let receivers = Receivers::default();
        for n in 0..1000 {
            for trace_id in ["one".to_owned(), n.to_string()] {
                let id = format!("{trace_id}-{n}");
                receivers.store.segment(Segment { id, trace_id, in_progress: false, document: Value::Null });
            }
        }
        assert_eq!(receivers.segments().len(), 2000);
    }
}
