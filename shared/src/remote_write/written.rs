//! What a receiver of version 2.0 says that it has written
//! (<https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/#required-written-response-headers>).

/// Counts from the headers of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Samples.
    pub samples: u64,
    /// Native histograms.
    pub histograms: u64,
    /// Exemplars.
    pub exemplars: u64,
}

impl Written {
    /// The headers, as their values are in [`Written`].
    pub const HEADERS: [&str; 3] = [
        "x-prometheus-remote-write-samples-written",
        "x-prometheus-remote-write-histograms-written",
        "x-prometheus-remote-write-exemplars-written",
    ];

    /// Reads the headers, each looked up by its name. One that is missing, or no number, counts as 0 if another is there;
    /// without any the receiver says nothing, as one does that knows 1.0 only.
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let counts = Self::HEADERS.map(|name| header(name)?.trim().parse().ok());
        let [samples, histograms, exemplars] = counts.map(Option::unwrap_or_default);
        counts.iter().any(Option::is_some).then_some(Self { samples, histograms, exemplars })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_count_is_0_but_not_where_all_are_missing() {
        let read = |values: [Option<&'static str>; 3]| {
            Written::read(|name| values[Written::HEADERS.iter().position(|other| *other == name)?])
        };
        let written = |samples, histograms, exemplars| Some(Written { samples, histograms, exemplars });
        for (values, want) in [
            ([Some("7"), Some("2"), Some("1")], written(7, 2, 1)),
            ([Some(" 7 "), None, None], written(7, 0, 0)),
            ([None, None, Some("0")], written(0, 0, 0)),
            ([Some("7"), Some("-2"), Some("many")], written(7, 0, 0)),
            ([Some("many"), None, None], None),
            ([None; 3], None),
        ] {
            assert_eq!(read(values), want, "{values:?}");
        }
    }
}
