//! What the text of a refusal tells: which rule a sample breaks.
//!
//! No retry hangs on it, the status alone decides on those ([`super::verdict`]). It says what a refused request is worth
//! taking apart for, and under which name its samples count.

/// Why a receiver refuses samples, as far as its text tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It has newer samples of the series, perhaps this one itself.
    OutOfOrder,
    /// It has another value at that time, or this one.
    Duplicate,
    /// Older than it takes.
    TooOld,
    /// Too far ahead of its clock.
    TooNew,
    /// A label, or a metric's name.
    Labels,
    /// Too many series.
    SeriesLimit,
}

/// What receivers say, in lower case, most telling first: Prometheus, Cortex and Mimir, Amazon Managed Prometheus.
const TEXTS: [(&str, Told); 14] = [
    ("duplicate sample for timestamp", Told::Duplicate),
    ("out of order", Told::OutOfOrder),
    ("out-of-order", Told::OutOfOrder),
    ("out of bounds", Told::TooOld),
    ("too old", Told::TooOld),
    ("too new", Told::TooNew),
    ("in the future", Told::TooNew),
    ("series limit", Told::SeriesLimit),
    ("label name", Told::Labels),
    ("label value", Told::Labels),
    ("too many labels", Told::Labels),
    ("labels not sorted", Told::Labels),
    ("labels size", Told::Labels),
    ("metric name", Told::Labels),
];

impl Told {
    /// Reads it from an answer's text.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        TEXTS.iter().find(|(part, _)| text.contains(part)).map(|(_, told)| *told)
    }

    /// Whether it may be said of samples because they are stored already.
    #[must_use]
    pub const fn may_mean_stored(self) -> bool {
        matches!(self, Self::OutOfOrder | Self::Duplicate | Self::TooOld)
    }

    /// The reason that samples count under.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::OutOfOrder => "out_of_order",
            Self::Duplicate => "duplicate",
            Self::TooOld => "too_old",
            Self::TooNew => "too_new",
            Self::Labels => "labels",
            Self::SeriesLimit => "series_limit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_receivers_say_is_understood() {
        for (text, want) in [
            ("out of order sample\n", Some(Told::OutOfOrder)), // Prometheus
            ("duplicate sample for timestamp\n", Some(Told::Duplicate)),
            ("out of bounds", Some(Told::TooOld)),
            (
                "user=1_ws: err: out of order sample. timestamp=2026-11-26T05:00:00Z, series={__name__=\"up\"}",
                Some(Told::OutOfOrder),
            ),
            ("timestamp too old: 1690000000000 metric: \"up\"", Some(Told::TooOld)), // Cortex
            ("timestamp too new: 1990000000000 metric: \"up\"", Some(Told::TooNew)),
            ("per-user series limit of 1000 exceeded", Some(Told::SeriesLimit)),
            ("label value too long for metric: \"up\"", Some(Told::Labels)),
            ("sample missing metric name", Some(Told::Labels)),
            ("snappy: corrupt input", None),
            ("", None),
        ] {
            assert_eq!(Told::read(text), want, "{text}");
        }
    }
}
