//! The suite's table `TestRemoteWrite1Compatibility`, and `TestRemoteWrite1Configuration`.

use crate::support::{Sender, capture, capture_v1, page};

#[test]
fn rw1_version_header() {
    for request in &capture_v1().requests {
        assert_eq!(request.header("x-prometheus-remote-write-version"), "0.1.0");
    }
}

#[test]
fn rw1_content_type() {
    for request in &capture_v1().requests {
        assert_eq!(request.header("content-type"), "application/x-protobuf");
    }
}

#[test]
fn rw1_samples_encoding() {
    for (case, want) in page::VALUES.into_iter().filter(|(_, value)| !value.is_nan()) {
        assert_eq!(capture_v1().case("values", case).value().to_bits(), want.to_bits(), "{case}");
    }
}

#[test]
fn rw1_labels_encoding() {
    let labels = |series: &crate::support::Seen| series.labels.clone();
    let v1: Vec<_> = capture_v1().series().map(labels).collect();
    assert_eq!(
        v1,
        capture().series().map(labels).collect::<Vec<_>>(),
        "the same as in 2.0, in the same order"
    );
    capture_v1().series().for_each(|series| assert!(series.labels.is_sorted()));
}

/// The suite wants none in 1.0, whose specification doesn't know them. Prometheus's own message has them, and Amazon
/// Managed Prometheus takes them in it (since June 2026): Siphon sends them, as ADOT does. What the case is after holds:
/// an old receiver passes over the field, and no series mixes them with samples.
#[test]
fn rw1_no_native_histograms() {
    for series in capture_v1().series() {
        assert!(series.histograms.is_empty() || series.samples.is_empty());
        assert!(series.histograms.iter().all(|histogram| (-4..=8).contains(&histogram.schema)));
    }
}

#[test]
fn rw1_no_start_timestamp() {
    for series in capture_v1().series() {
        assert!(series.starts().all(|(start, _)| start == 0));
    }
    let decoded = capture_v1().requests.iter().map(|request| prost::Message::encoded_len(request.v1()));
    let sent = capture_v1().requests.iter().map(|r| snap::raw::decompress_len(&r.body).unwrap());
    assert!(decoded.eq(sent), "no field that 1.0 doesn't know");
}

/// Optional; Siphon sends none in 1.0, as ADOT does.
#[test]
fn rw1_metadata_handling() {
    capture_v1().requests.iter().for_each(|request| assert!(request.v1().metadata.is_empty()));
}

#[test]
fn rw1_symbol_table_not_used() {
    for request in &capture_v1().requests {
        let names = request.v1().timeseries.iter().flat_map(|series| &series.labels);
        let spelled_out = names.filter(|label| label.name == "__name__").count();
        assert_eq!(spelled_out, request.v1().timeseries.len());
    }
}

/// 1.0 is what a sender speaks that nobody told otherwise.
#[tokio::test]
#[expect(non_snake_case, reason = "the suite's name")]
async fn TestRemoteWrite1Configuration() {
    for version in ["1.0", ""] {
        let sender = Sender::of_version(version).await;
        let tally = sender.send(page::simple()).await.tally;
        assert_eq!(
            (sender.receiver.versions(), tally.samples),
            (vec!["0.1.0".to_owned()], page::SIMPLE_SAMPLES)
        );
    }
}
