//! The rules, fetched once for all agents.

use std::sync::Arc;

use serde_json::value::RawValue;
use siphon_core::{
    units::UnixMillis,
    wire::{MAX_RULES_BYTES, RulesDigest},
};

use super::calls::{CallError, Calls};
use crate::time::{Deadline, now};

/// They are fetched again after so long, as SDKs do it, or when X-Ray says that one has changed.
const FRESH_MS: i64 = 5 * 60 * 1000;

/// An array of `SamplingRuleRecords`.
#[derive(Clone)]
pub(super) struct Rules {
    pub(super) digest: RulesDigest,
    pub(super) json: Arc<RawValue>,
}

/// The latest rules, and since when they are known.
#[derive(Default)]
pub(super) struct CachedRules(Option<(Rules, UnixMillis)>);

impl CachedRules {
    /// The latest that X-Ray told, if it ever did.
    pub(super) fn latest(&self) -> Option<Rules> {
        self.0.as_ref().map(|(rules, _)| rules.clone())
    }

    /// Fetches them, unless they are fresh and no rule was `modified` since, which is in seconds since the epoch.
    pub(super) async fn refresh(
        &mut self,
        calls: &Calls,
        modified: f64,
        deadline: Deadline,
    ) -> Result<(), CallError> {
        let asked = now();
        if self.0.as_ref().is_some_and(|(_, since)| is_fresh(*since, modified, asked)) {
            return Ok(());
        }
        let rules = fetch(calls, deadline).await?;
        self.0 = Some((rules, asked));
        Ok(())
    }
}

/// A rule may have changed later in the second that X-Ray names.
fn is_fresh(since: UnixMillis, modified: f64, now: UnixMillis) -> bool {
    (0..FRESH_MS).contains(&now.since(since)) && modified < (since.0 / 1000) as f64
}

async fn fetch(calls: &Calls, deadline: Deadline) -> Result<Rules, CallError> {
    let mut json = String::from("[");
    let mut token = None;
    loop {
        let page = calls.rules(token.as_deref(), deadline).await?;
        for record in page.records {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(record.get());
        }
        if json.len() >= MAX_RULES_BYTES {
            return Err(CallError::TooLarge);
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    json.push(']');
    let digest = RulesDigest::of(json.as_bytes());
    let json = RawValue::from_string(json).map_err(CallError::Unreadable)?;
    Ok(Rules { digest, json: json.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_fresh_for_five_minutes_and_until_one_changes() {
        let since = UnixMillis(1_795_400_000_900);
        let fresh = |modified, later| is_fresh(since, modified, since.plus(later));
        assert!(fresh(0.0, 0) && fresh(1_795_399_999.0, FRESH_MS - 1));
        assert!(!fresh(0.0, FRESH_MS), "old");
        assert!(!fresh(1_795_400_000.0, 1), "changed in the second in which they were fetched");
        assert!(!fresh(0.0, -1), "the clock was set back");
    }
}
