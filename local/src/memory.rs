//! How much of what they stored the receivers remember.

/// At most so many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Points of a series: they tell a repeat from a late sample, and make a chart's line.
    pub(crate) points: usize,
    pub(crate) traces: usize,
    pub(crate) segments_of_a_trace: usize,
}

impl Memory {
    /// Of a run, which may go on for days. The points are ten minutes at one a second.
    pub(crate) const RUN: Self = Self { points: 600, traces: 200, segments_of_a_trace: 200 };

    /// Of a test, which looks at all that was stored.
    pub(crate) const TEST: Self =
        Self { points: usize::MAX, traces: usize::MAX, segments_of_a_trace: usize::MAX };
}

impl Default for Memory {
    fn default() -> Self {
        Self::RUN
    }
}
