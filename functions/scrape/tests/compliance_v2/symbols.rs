//! The suite's table `TestSymbolTable`, and `TestSymbolTableEfficiency`.

use std::collections::HashSet;

use crate::support::{Sender, capture, page};

#[test]
fn empty_string_at_index_zero() {
    capture().requests.iter().for_each(|request| assert_eq!(request.v2().symbols[0], ""));
}

#[test]
fn string_deduplication() {
    for request in &capture().requests {
        let symbols = &request.v2().symbols;
        assert_eq!(symbols.iter().collect::<HashSet<_>>().len(), symbols.len());
    }
}

#[test]
fn labels_refs_valid_indices() {
    for request in &capture().requests {
        let symbols = request.v2().symbols.len();
        let refs = request.v2().timeseries.iter().flat_map(|series| &series.labels_refs);
        refs.for_each(|reference| assert!((*reference as usize) < symbols));
    }
}

#[test]
fn labels_refs_even_length() {
    for series in capture().requests.iter().flat_map(|request| &request.v2().timeseries) {
        assert!(series.labels_refs.len().is_multiple_of(2));
    }
}

/// The suite recommends at most 30 symbols for a small page, whose series have few labels. Siphon's table is larger than
/// that: every series names its task, in ten labels that no page has. So what is held to 30 here is the rest of the table.
#[tokio::test]
#[expect(non_snake_case, reason = "the suite's name")]
async fn TestSymbolTableEfficiency() {
    let sender = Sender::new().await;
    sender.send(page::many("a_gauge", 0..5)).await;
    let request = &sender.receiver.requests()[0];
    let of_task = |name: &str| name.starts_with("aws_") || name.starts_with("cloud_");
    let labels = request.series.iter().flat_map(|series| &series.labels);
    let identity = labels.filter(|(name, _)| of_task(name)).flat_map(|(name, value)| [name, value]);
    let identity: HashSet<_> = identity.collect();
    let rest: Vec<_> = request.v2().symbols.iter().filter(|symbol| !identity.contains(symbol)).collect();
    assert!(rest.len() <= 30, "{rest:?}");
    assert!(identity.len() <= 20, "ten labels, each once: {identity:?}");
}
