//! A puller that signs its requests, and checks what it gets, by the wire's definitions.

use std::{
    net::SocketAddr,
    sync::Mutex,
    time::{SystemTime, UNIX_EPOCH},
};

use siphon_core::{
    units::UnixMillis,
    wire::{
        ACK_PATH, Ack, BootId, Cursors, LeaseId, PULL_PATH, Page, PullRequest, Record, Refusal, RefusalCode,
        Share,
        signature::{BodyDigest, Key, Nonce, SIGNATURE, SignedRequest},
    },
};

use crate::{
    eventually,
    http::{self, Reply},
    metadata::TASK_ARN,
    process::KEY,
};

/// A puller with a lease id of its own. Its fields are what a test may get wrong.
pub(crate) struct Puller {
    pub(crate) agent: SocketAddr,
    pub(crate) key: Key,
    pub(crate) task_arn: String,
    pub(crate) lease: LeaseId,
    pub(crate) lease_ms: u64,
    pub(crate) max_bytes: u64,
    /// Added to the time of its requests.
    pub(crate) skew_ms: i64,
    /// What [`Self::all`] has acknowledged.
    acknowledged: Mutex<Vec<Record>>,
}

/// A signed request, to send as often as one likes.
pub(crate) struct Signed {
    path: &'static str,
    pub(crate) headers: [(&'static str, String); 4],
    nonce: Nonce,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

impl Puller {
    pub(crate) fn new(agent: SocketAddr) -> Self {
        Self {
            agent,
            key: Key::from_hex(KEY).unwrap(),
            task_arn: TASK_ARN.to_owned(),
            lease: LeaseId(random()),
            lease_ms: 60_000,
            max_bytes: 1 << 20,
            skew_ms: 0,
            acknowledged: Mutex::default(),
        }
    }

    pub(crate) fn sign(&self, path: &'static str, body: Vec<u8>) -> Signed {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let time = UnixMillis(i64::try_from(now).unwrap()).plus(self.skew_ms);
        let nonce = Nonce(random());
        let digest = BodyDigest::of(&body);
        let headers = SignedRequest { method: "POST", path, time, nonce, digest }.headers(&self.key);
        Signed { path, headers, nonce, body }
    }

    pub(crate) fn sign_pull(&self) -> Signed {
        let request = PullRequest {
            task_arn: self.task_arn.clone(),
            lease: self.lease,
            lease_ms: self.lease_ms,
            keep_lease: false,
            max_bytes: self.max_bytes,
        };
        self.sign(PULL_PATH, serde_json::to_vec(&request).unwrap())
    }

    pub(crate) fn send(&self, signed: &Signed) -> Reply {
        let headers = signed.headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        http::send(self.agent, "POST", signed.path, &headers, &signed.body)
    }

    /// Sends a request and insists that the answer is signed.
    pub(crate) fn trusted(&self, signed: &Signed) -> Reply {
        let reply = self.send(signed);
        let signature = reply.header(SIGNATURE).unwrap_or_default();
        assert!(self.key.accepts_answer(reply.status, signed.nonce, &reply.body, signature), "{reply:?}");
        reply
    }

    pub(crate) fn pull(&self) -> Result<Page, RefusalCode> {
        let reply = self.trusted(&self.sign_pull());
        if reply.status == 200 { Ok(Page::decode(reply.body.into()).unwrap()) } else { Err(refusal(&reply)) }
    }

    /// Acknowledges all that is there: the latest page, with every record that was acknowledged so, ever.
    pub(crate) fn all(&self) -> Result<Page, RefusalCode> {
        loop {
            let mut page = self.pull()?;
            let mut records = self.acknowledged.lock().unwrap();
            let is_last = Share::ALL.into_iter().all(|share| page.head.share(share).remaining_records == 0);
            if !page.records.is_empty() {
                self.ack(&page)?;
                records.append(&mut page.records);
            }
            if is_last {
                page.records.clone_from(&records);
                return Ok(page);
            }
        }
    }

    /// Acknowledges the first reading, once it is there.
    pub(crate) fn settle(&self) {
        eventually("the first reading", || self.all().ok().filter(|page| !page.records.is_empty()));
    }

    pub(crate) fn ack(&self, page: &Page) -> Result<(), RefusalCode> {
        self.ack_as(page.head.boot, cursors(page))
    }

    pub(crate) fn ack_as(&self, boot: BootId, delivered: Cursors) -> Result<(), RefusalCode> {
        let ack = Ack {
            task_arn: self.task_arn.clone(),
            lease: self.lease,
            keep_lease: false,
            boot,
            delivered,
            exported: Vec::new(),
        };
        let reply = self.trusted(&self.sign(ACK_PATH, serde_json::to_vec(&ack).unwrap()));
        if reply.status == 204 { Ok(()) } else { Err(refusal(&reply)) }
    }

    /// The agent's counter, by event, kind and reason. Keeps the lease.
    pub(crate) fn count(&self, event: &str, kind: &str, reason: &str) -> u64 {
        count(&self.pull().unwrap(), event, kind, reason)
    }
}

/// What a page's head counts.
pub(crate) fn count(page: &Page, event: &str, kind: &str, reason: &str) -> u64 {
    let found = page.head.counts.iter().find(|c| c.event == event && c.kind == kind && c.reason == reason);
    found.map_or(0, |count| count.value)
}

pub(crate) fn cursors(page: &Page) -> Cursors {
    Cursors { metrics: page.head.metrics.cursor, traces: page.head.traces.cursor }
}

/// The code of a refusal, which must have the status that belongs to it.
pub(crate) fn refusal(reply: &Reply) -> RefusalCode {
    let refusal: Refusal = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(reply.status, refusal.code.status());
    assert!(!refusal.message.is_empty());
    refusal.code
}
