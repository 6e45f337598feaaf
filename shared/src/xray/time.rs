//! Times.

/// Nanoseconds since the epoch as X-Ray's float seconds.
///
/// The count becomes a double before the division, as in the OpenTelemetry exporter: a trace that passes through
/// both keeps equal times.
#[expect(
    clippy::cast_precision_loss,
    reason = "the format has 53 bits: today's times keep a quarter microsecond"
)]
pub(super) fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// Nanoseconds since the epoch as seconds with six decimals, in text. Those from 2^63 on are times before the epoch.
#[expect(clippy::cast_precision_loss, reason = "53 bits of microseconds last for 285 years")]
pub(super) fn seconds_text(nanos: u64) -> String {
    let micros = nanos.cast_signed().div_euclid(1_000);
    format!("{:.6}", micros as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_as_the_nanoseconds_are() {
        for (nanos, text) in [
            (0, "0"),
            (1_700_000_000_100_000_000, "1700000000.1"),
            (1_700_000_000_350_000_000, "1700000000.3500001"),
            (1_795_400_000_250_000_000, "1795400000.2499998"),
        ] {
            assert_eq!(seconds(nanos).to_string(), text);
        }
    }

    #[test]
    fn text_has_six_decimals() {
        for (nanos, text) in [
            (0, "0.000000"),
            (1_999, "0.000001"),
            (1_700_000_000_000_001_999, "1700000000.000001"),
            (1_700_000_000_999_999_999, "1700000000.999999"),
            (u64::MAX, "-0.000001"),
        ] {
            assert_eq!(seconds_text(nanos), text);
        }
    }
}
