//! The agent's wire: how `scrape` pulls an agent's buffer and acknowledges it. Both ends use these definitions.
//!
//! ```text
//!   scrape                                  agent, port 4319
//!     │ POST /v1/pull  PullRequest (JSON)      │  checks key, time, nonce, task ARN; takes the lease
//!     │ ──────────────────────────────────────►│
//!     │◄────────────────────────────────────── │  Page (binary): head, latest task answer, records
//!     │   … writes to Prometheus and X-Ray …   │
//!     │ POST /v1/ack   Ack (JSON)              │  drops what is delivered; frees the lease
//!     │ ──────────────────────────────────────►│
//!     │ POST /v1/sampling  SamplingHandover    │  only where the page's head says that sampling is in use
//!     │ ──────────────────────────────────────►│
//! ```
//!
//! - Every request carries [`signature::TIME`], [`signature::NONCE`], [`signature::DIGEST`] and [`signature::SIGNATURE`];
//!   every answer to an authentic request is signed in turn with the same key over the same nonce, so that neither side
//!   trusts an address.
//! - A signature covers the body's digest: an agent believes a request, or not, before it reads the body.
//! - Metrics and traces are two [`Share`]s of the spool with a sequence and a [`Cursor`] each, so that an X-Ray outage
//!   neither blocks metrics nor sends them twice.
//! - A page without records needs no ack, and takes no lease unless the puller keeps it: that of a stopping task does, so
//!   that one puller alone sees its end.
//! - What was not acknowledged is handed out again. An ack names the [`BootId`]: after a restart the sequences may
//!   begin anew, and an old ack must not drop new records.
//! - A refusal is JSON, [`Refusal`], under the status that [`RefusalCode::status`] gives.

mod frame;
mod keys;
mod ledger;
mod message;
mod page;
mod pin;
mod reading;
mod sampling;
pub mod signature;

pub use frame::{FRAME_HEADER_BYTES, FrameHeader, Kind, Record, Share};
pub use keys::Keys;
pub use ledger::{Count, EXPORTED, imbalances};
pub use message::{
    Ack, BootId, Cursor, Cursors, LeaseId, MAX_EXPORTED, MAX_NAME_BYTES, ParseIdError, PullRequest, Refusal,
    RefusalCode, RulesDigest,
};
pub use page::{MAX_PAGE_BYTES, PAGE_BYTES, Page, PageError, PageHead, ShareHead, start_page};
pub use pin::{Pin, PinError};
pub use reading::{Reading, ReadingError};
pub use sampling::{
    ClientTargets, MAX_HANDOVER_BYTES, MAX_RULES_BYTES, Reported, SamplingHandover, SamplingHead,
    SamplingStatistics,
};

/// Where `scrape` pulls: `POST`, body [`PullRequest`], answer [`Page`].
pub const PULL_PATH: &str = "/v1/pull";

/// Where `scrape` acknowledges: `POST`, body [`Ack`], answer 204.
pub const ACK_PATH: &str = "/v1/ack";

/// Where `scrape` hands over what X-Ray says of sampling: `POST`, body [`SamplingHandover`], answer 204. It needs no lease.
pub const SAMPLING_PATH: &str = "/v1/sampling";

/// The agent's pull port unless set otherwise.
pub const DEFAULT_PORT: u16 = 4319;
