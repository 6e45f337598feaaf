//! Spans of one trace, on a clock that begins at 0 and is set when the trace is complete.

use siphon_core::otlp::{AnyValue, Event, KeyValue, Span, SpanKind, Status, StatusCode, Value};

/// One millisecond of span time.
pub(super) const MS: u64 = 1_000_000;

/// Values that attributes take here.
pub(super) trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for &str {
    fn into_value(self) -> Value {
        Value::String(self.to_owned())
    }
}

impl IntoValue for String {
    fn into_value(self) -> Value {
        Value::String(self)
    }
}

impl IntoValue for i64 {
    fn into_value(self) -> Value {
        Value::Int(self)
    }
}

impl IntoValue for f64 {
    fn into_value(self) -> Value {
        Value::Double(self)
    }
}

pub(super) fn attribute(key: &str, value: impl IntoValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value.into_value()) }) }
}

/// A trace being written: each span belongs to the task of an index.
pub(super) struct Trace {
    id: [u8; 16],
    spans: Vec<(usize, Span)>,
}

/// A span of a [`Trace`], by its place.
#[derive(Clone, Copy)]
pub(super) struct Open(usize);

impl Trace {
    /// `now`: Unix nanoseconds. The id begins with the second, as X-Ray wants it.
    pub(super) fn new(random: &mut fastrand::Rng, now: u64) -> Self {
        let seconds = u128::from(now / 1_000_000_000) << 96;
        Self { id: (seconds | (random.u128(..) >> 32)).to_be_bytes(), spans: Vec::new() }
    }

    /// Opens a span at `at`.
    pub(super) fn open(
        &mut self,
        task: usize,
        parent: Option<Open>,
        kind: SpanKind,
        name: impl Into<String>,
        at: u64,
    ) -> Open {
        let parent_span_id = parent
            .and_then(|Open(place)| self.spans.get(place))
            .map(|(_, span)| span.span_id.clone())
            .unwrap_or_default();
        self.spans.push((
            task,
            Span {
                trace_id: self.id.to_vec(),
                span_id: fastrand::u64(1..).to_be_bytes().to_vec(),
                parent_span_id,
                name: name.into(),
                kind: kind as i32,
                start_time_unix_nano: at,
                end_time_unix_nano: at,
                attributes: Vec::new(),
                events: Vec::new(),
                links: Vec::new(),
                status: None,
            },
        ));
        Open(self.spans.len() - 1)
    }

    pub(super) fn tell(&mut self, span: Open, attributes: impl IntoIterator<Item = KeyValue>) {
        self.change(span, |span| span.attributes.extend(attributes));
    }

    pub(super) fn close(&mut self, span: Open, at: u64) {
        self.change(span, |span| span.end_time_unix_nano = at);
    }

    /// Marks the span as failed, with the exception that is why.
    pub(super) fn fail(&mut self, span: Open, at: u64, exception: &Exception) {
        let event = Event {
            time_unix_nano: at,
            name: "exception".to_owned(),
            attributes: vec![
                attribute("exception.type", exception.kind),
                attribute("exception.message", exception.message.as_str()),
                attribute("exception.stacktrace", exception.stack()),
            ],
        };
        self.change(span, |span| {
            span.events.push(event);
            span.status = Some(Status { message: exception.message.clone(), code: StatusCode::Error as i32 });
        });
    }

    fn change(&mut self, Open(place): Open, change: impl FnOnce(&mut Span)) {
        if let Some((_, span)) = self.spans.get_mut(place) {
            change(span);
        }
    }

    /// The spans, set on the clock so that the last of them ends at `now`.
    pub(super) fn finish(mut self, now: u64) -> Vec<(usize, Span)> {
        let length = self.spans.iter().map(|(_, span)| span.end_time_unix_nano).max().unwrap_or(0);
        let begin = now.saturating_sub(length);
        for (_, span) in &mut self.spans {
            span.start_time_unix_nano += begin;
            span.end_time_unix_nano += begin;
            for event in &mut span.events {
                event.time_unix_nano += begin;
            }
        }
        self.spans
    }
}

/// Why a span failed.
pub(super) struct Exception {
    pub(super) kind: &'static str,
    pub(super) message: String,
    pub(super) file: &'static str,
}

impl Exception {
    /// As a Java program prints it, which X-Ray shows frame by frame.
    fn stack(&self) -> String {
        let Self { kind, message, file } = self;
        format!(
            "{kind}: {message}\n\tat com.example.shop.{file}.call({file}.java:87)\n\tat \
             com.example.shop.{file}.handle({file}.java:41)\n\tat com.example.shop.Server.serve(Server.java:112)"
        )
    }
}
