//! The suite's table `TestResponseProcessing`, and `TestContentTypeNegotiation`.

use crate::{
    support::{Reply, Sender, page, page::SIMPLE_SAMPLES},
    world::{ENOUGH, logs::Logs},
};

const ALL_WRITTEN: &[(&str, &str)] = &[("X-Prometheus-Remote-Write-Samples-Written", "3")];

/// Tally, after one answer: samples written, samples refused, acknowledged records, requests.
async fn outcome(reply: Reply) -> (u64, u64, u64, usize) {
    let (sender, scraped) = Sender::answered(&[reply], ENOUGH).await;
    let tally = scraped.tally;
    let requests = sender.receiver.requests().len();
    (tally.samples, tally.samples_rejected.total(), sender.acked(), requests)
}

#[tokio::test]
async fn ignore_response_body_on_success() {
    let reply = Reply::With(200, ALL_WRITTEN, b"error: everything was refused".to_vec());
    assert_eq!(outcome(reply).await, (SIMPLE_SAMPLES, 0, 1, 1));
}

#[tokio::test]
async fn process_written_count_headers() {
    let written = &[
        ("X-Prometheus-Remote-Write-Samples-Written", "2"),
        ("X-Prometheus-Remote-Write-Histograms-Written", "0"),
        ("X-Prometheus-Remote-Write-Exemplars-Written", "0"),
    ];
    let (_, scraped) = Sender::answered(&[Reply::With(200, written, Vec::new())], ENOUGH).await;
    assert_eq!((scraped.tally.samples, scraped.tally.samples_rejected.get("not_written")), (2, 1));
}

#[tokio::test]
async fn handle_partial_write_response() {
    let written = &[("X-Prometheus-Remote-Write-Samples-Written", "1")];
    let reply = Reply::With(400, written, b"out of order".to_vec());
    let (sender, scraped) = Sender::answered(&[reply], ENOUGH).await;
    assert_eq!((scraped.tally.samples, scraped.tally.samples_rejected.get("400")), (1, 2));
    assert_eq!((sender.receiver.requests().len(), sender.acked()), (1, 1), "no retry can help");
}

/// The first try may have been stored: the receiver then says so of what it does not write again.
#[tokio::test]
async fn a_repeat_of_what_is_written_is_no_refusal() {
    let written = &[("X-Prometheus-Remote-Write-Samples-Written", "0")];
    let known = |text: &str| Reply::With(400, written, text.as_bytes().to_vec());
    let (sender, scraped) =
        Sender::answered(&[Reply::Status(503), known("out of order sample")], ENOUGH).await;
    assert_eq!((scraped.tally.samples, scraped.tally.samples_rejected.total()), (SIMPLE_SAMPLES, 0));
    assert_eq!((sender.receiver.requests().len(), sender.acked()), (2, 1));
    let (_, scraped) = Sender::answered(&[Reply::Status(503), known("label name is invalid")], ENOUGH).await;
    assert_eq!((scraped.tally.samples, scraped.tally.samples_rejected.get("400")), (0, SIMPLE_SAMPLES));
}

/// An old receiver took 2.0 for an empty request of 1.0: what it swallowed goes again, as 1.0.
#[tokio::test]
async fn handle_missing_written_headers() {
    let (sender, scraped) = Sender::answered(&[Reply::Status(200)], ENOUGH).await;
    assert_eq!(sender.receiver.versions(), ["2.0.0", "0.1.0"]);
    assert_eq!((scraped.tally.samples, sender.acked()), (SIMPLE_SAMPLES, 1), "counted once");
    let (sender, scraped) = Sender::answered(&[Reply::Status(200), Reply::Status(400)], ENOUGH).await;
    assert_eq!((scraped.tally.samples_rejected.get("400_or_stored"), sender.acked()), (SIMPLE_SAMPLES, 1));
}

#[tokio::test]
async fn log_error_messages_verbatim() {
    let (logs, _guard) = Logs::start();
    let text = "out of order: \"orders_total\" <at> 17 — refused";
    outcome(Reply::With(400, &[], text.as_bytes().to_vec())).await;
    let lines = logs.that_say("Prometheus refused samples for good");
    assert_eq!(lines.len(), 3, "each sample by name");
    assert!(lines.iter().all(|line| line["text"] == text), "{lines:?}");
}

#[tokio::test]
async fn handle_large_error_body() {
    let (logs, _guard) = Logs::start();
    let outcome = outcome(Reply::With(400, &[], vec![b'x'; 1 << 17])).await;
    assert_eq!(outcome, (0, SIMPLE_SAMPLES, 1, 1));
    let lines = logs.that_say("Prometheus refused samples for good");
    assert_eq!(lines[0]["text"].as_str().unwrap().len(), 512, "a prefix");
}

#[tokio::test]
async fn handle_204_no_content() {
    assert_eq!(outcome(Reply::Written).await, (SIMPLE_SAMPLES, 0, 1, 1));
}

#[tokio::test]
async fn handle_200_ok() {
    assert_eq!(outcome(Reply::With(200, ALL_WRITTEN, Vec::new())).await, (SIMPLE_SAMPLES, 0, 1, 1));
}

/// Both messages, each under its own type and version.
#[tokio::test]
#[expect(non_snake_case, reason = "the suite's name")]
async fn TestContentTypeNegotiation() {
    for (version, content_type, number) in [
        ("1.0", "application/x-protobuf", "0.1.0"),
        ("2.0", "application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
    ] {
        let sender = Sender::of_version(version).await;
        sender.send(page::simple()).await;
        let requests = sender.receiver.requests();
        assert_eq!(requests[0].header("content-type"), content_type);
        assert_eq!(sender.receiver.versions(), [number]);
    }
}
