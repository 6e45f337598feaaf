//! Why a line is not taken.

/// Why a line is not taken. Its name is the reason in the counter, its text says what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// Bytes that are no text.
    #[error("it is not UTF-8")]
    Encoding,
    /// Something is missing, or is there that nobody knows.
    #[error("{0}")]
    Malformed(&'static str),
    /// Neither of c, g, ms, h, d, s.
    #[error("its type is none of c, g, ms, h, d and s")]
    Type,
    /// No number, or none that is finite.
    #[error("its value is not a finite number")]
    Value,
    /// A counter that would go back.
    #[error("a counter only grows; use a gauge for what goes down")]
    NegativeCounter,
    /// No number, or one that can't be reckoned with.
    #[error("its sample rate is not a number that can be reckoned with")]
    Rate,
    /// A tag without name, or too many of them.
    #[error("{0}")]
    Tag(&'static str),
    /// No whole seconds, or a type that has none.
    #[error("its timestamp is not whole seconds, or not of a counter or gauge")]
    Timestamp,
    /// A `DogStatsD` event.
    #[error("events are not metrics")]
    Event,
    /// A `DogStatsD` service check.
    #[error("service checks are not metrics")]
    ServiceCheck,
    /// Name and tags take too many bytes.
    #[error("name and tags are over {} bytes", super::MAX_KEY_BYTES)]
    TooLong,
    /// A further series, where there may be no more.
    #[error(
        "it is of a new series, and there are as many as there may be; raise SIPHON_STATSD_MAX_SERIES, or send fewer tags"
    )]
    SeriesLimit,
}

impl Refusal {
    /// The reason in the counter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encoding => "encoding",
            Self::Malformed(_) => "malformed",
            Self::Type => "type",
            Self::Value => "value",
            Self::NegativeCounter => "negative_counter",
            Self::Rate => "rate",
            Self::Tag(_) => "tag",
            Self::Timestamp => "timestamp",
            Self::Event => "event",
            Self::ServiceCheck => "service_check",
            Self::TooLong => "too_long",
            Self::SeriesLimit => "series_limit",
        }
    }
}
