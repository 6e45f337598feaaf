//! What an application reports of its sampling: the body of a call for targets.

use siphon_core::xray::sampling::{TargetsCall, reports, targets_body};

/// Taken if X-Ray would take it too. What `scrape` makes of it is such a call again.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let Ok(call) = TargetsCall::read(bytes) else { return false };
    for report in reports(&call.statistics) {
        let body = targets_body(report).expect("statistics are JSON");
        let again = TargetsCall::read(&body).expect("it was read before");
        assert_eq!(again.statistics, report);
    }
    true
}

pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let document = r#"{"ClientID":"0123456789abcdefABCDEF67","RuleName":"Default","Timestamp":1.7954e9,"RequestCount":3,"SampledCount":2"#;
    let least = format!(r#"{{"SamplingStatisticsDocuments":[{document}}}]}}"#);
    let more = format!(
        r#"{{"SamplingBoostStatisticsDocuments":[{{}}],"SamplingStatisticsDocuments":[{document},"BorrowCount":1}},{document}}}]}}"#
    );
    let none = r#"{"SamplingStatisticsDocuments":[],"SamplingBoostStatisticsDocuments":null}"#.to_owned();
    [("least", least), ("more", more), ("none", none)]
        .map(|(name, body)| (name.to_owned(), body.into_bytes()))
        .into()
}
