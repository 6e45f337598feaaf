//! StatsD datagrams: lines, what they add up to, and series.

use siphon_core::{
    otlp::check,
    prometheus,
    series::LabelSets,
    statsd::{Aggregator, Bounds, Flush, Options, Timers, lines},
    units::UnixMillis,
};

use crate::sendable;

const MAX_SERIES: usize = 8;
const MAX_BYTES: usize = 8192;

pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    [
        ("counters", "shop.orders:1|c\nshop.orders:2:3|c|@0.1|#payment:card,canary\n"),
        ("gauges", "queue:7|g\nqueue:-2|g|#env:,region:eu\r\nqueue:+1.5e2|g|T1700000000\n\n"),
        ("timers", "t:320|ms|@0.3\nt:0:-1:1e300|h|#a:b:c|c:0123\nt:0.001|d||card:low|e:it-false"),
        ("sets", "users:ann|s\nusers:bob:2|s|#x:1,x:2"),
        (
            "refused",
            "_e{5,4}:title|text\n_sc|db|0\nn:nan|g\nn:-1|c\nn\n:1|c\nok:1|c\nn:1|c|@x\nn:1|ms|T1\nn:1|q",
        ),
    ]
    .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
    .into()
}

pub(crate) fn run(bytes: &[u8]) -> bool {
    [Timers::Histogram, Timers::Native, Timers::Summary].map(|timers| add_up(bytes, timers)).contains(&true)
}

fn add_up(bytes: &[u8], timers: Timers) -> bool {
    let options = Options { timers, bounds: Bounds::default(), max_series: MAX_SERIES, expiry_ms: Some(1) };
    let mut all = Aggregator::new(options, UnixMillis(1));
    let mut refused = 0;
    let taken = all.add_all(bytes, &mut |_, _| refused += 1);
    assert_eq!(taken + refused, lines(bytes).count() as u64);
    assert!(all.series() as u64 <= taken.min(MAX_SERIES as u64));
    let series = all.series() as u64;
    // As it is, then ended.
    for at in [1000, 2000] {
        let mut points = 0;
        all.flush(UnixMillis(at), Flush::All, MAX_BYTES, |record| {
            assert_eq!(check::metrics(&record.payload), Ok(record.points));
            assert!(record.payload.len() <= MAX_BYTES || record.points == 1);
            points += record.points;
            translate(&record.payload, record.points);
        });
        assert_eq!(points, series);
    }
    assert_eq!(all.series(), 0);
    taken > 0
}

fn translate(payload: &[u8], points: u64) {
    let (mut sets, options) = (LabelSets::default(), prometheus::Options::default());
    let made =
        prometheus::Translator::new(&options, None).translate(payload, &mut sets).expect("it was checked");
    let dropped: u64 = made.dropped.iter().map(|drop| drop.points).sum();
    assert!(dropped == points || made.batch.samples() > 0, "points are lost");
    sendable::check(made.batch, &sets);
}
