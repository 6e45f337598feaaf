//! OTLP metrics where they lie in a request: the messages of [`super::MetricsRequest`] again, borrowed.
//!
//! Numbers and names are read; attributes, resource, scope and exemplars stay encoded until someone needs them, which is
//! once for each series rather than once for each point. Whatever order fields come in, and however often: the meaning is
//! the one that decoding the messages would give.

pub(crate) mod traces;
pub(crate) mod values;

use crate::protobuf::read::{Fields, Malformed, Repeated};

/// `ExportMetricsServiceRequest`.
#[derive(Default)]
pub(crate) struct MetricsRequest<'a> {
    pub(crate) resource_metrics: Repeated<'a>,
}

/// The metrics of one resource.
#[derive(Default)]
pub(crate) struct ResourceMetrics<'a> {
    pub(crate) resource: Repeated<'a>,
    pub(crate) scope_metrics: Repeated<'a>,
}

/// The metrics of one scope.
#[derive(Default)]
pub(crate) struct ScopeMetrics<'a> {
    pub(crate) scope: Repeated<'a>,
    pub(crate) metrics: Repeated<'a>,
}

/// One metric.
#[derive(Default)]
pub(crate) struct Metric<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) data: Option<Data<'a>>,
}

/// The points of one metric and what they have in common.
pub(crate) struct Data<'a> {
    pub(crate) kind: Kind,
    pub(crate) temporality: i32,
    pub(crate) monotonic: bool,
    /// All of it.
    pub(crate) parts: Repeated<'a>,
    points: Repeated<'a>,
    /// Where more points follow: a metric whose data comes in several parts counts as one.
    more: Repeated<'a>,
}

/// The kinds of metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

/// One value of a gauge or sum.
#[derive(Default)]
pub(crate) struct NumberPoint<'a> {
    pub(crate) start_time_unix_nano: u64,
    pub(crate) time_unix_nano: u64,
    pub(crate) value: f64,
    pub(crate) exemplars: Repeated<'a>,
    pub(crate) attributes: Repeated<'a>,
    pub(crate) flags: u64,
}

/// One value of a histogram.
#[derive(Default)]
pub(crate) struct HistogramPoint<'a> {
    pub(crate) start_time_unix_nano: u64,
    pub(crate) time_unix_nano: u64,
    pub(crate) count: u64,
    pub(crate) sum: Option<f64>,
    pub(crate) bucket_counts: Vec<u64>,
    pub(crate) explicit_bounds: Vec<f64>,
    pub(crate) exemplars: Repeated<'a>,
    pub(crate) attributes: Repeated<'a>,
    pub(crate) flags: u64,
}

/// One value of an exponential histogram.
#[derive(Default)]
pub(crate) struct ExponentialHistogramPoint<'a> {
    pub(crate) attributes: Repeated<'a>,
    pub(crate) start_time_unix_nano: u64,
    pub(crate) time_unix_nano: u64,
    pub(crate) count: u64,
    pub(crate) sum: Option<f64>,
    pub(crate) scale: i32,
    pub(crate) zero_count: u64,
    pub(crate) positive: Repeated<'a>,
    pub(crate) negative: Repeated<'a>,
    pub(crate) flags: u64,
    pub(crate) exemplars: Repeated<'a>,
    pub(crate) zero_threshold: f64,
}

/// One value of a summary.
#[derive(Default)]
pub(crate) struct SummaryPoint<'a> {
    pub(crate) start_time_unix_nano: u64,
    pub(crate) time_unix_nano: u64,
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) quantiles: Repeated<'a>,
    pub(crate) attributes: Repeated<'a>,
    pub(crate) flags: u64,
}

/// An attribute.
#[derive(Default)]
pub(crate) struct KeyValue<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: Repeated<'a>,
}

impl<'a> KeyValue<'a> {
    pub(crate) fn read(mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut attribute = Self::default();
        while let Some(field) = fields.next()? {
            match field.tag {
                1 => attribute.key = field.text()?,
                2 => attribute.value.add(&field)?,
                _ => {}
            }
        }
        Ok(attribute)
    }

    /// The value where it is a text and nothing else, as most are.
    pub(crate) fn plain_text(&self) -> Result<Option<&'a str>, Malformed> {
        let mut values = self.value;
        let Some(mut value) = values.next()? else { return Ok(None) };
        let first = value.next()?.filter(|field| field.tag == 1);
        let is_all = values.next()?.is_none() && value.is_at_end();
        first.filter(|_| is_all).map(|text| text.text()).transpose()
    }
}

impl<'a> MetricsRequest<'a> {
    pub(crate) fn read(mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut request = Self::default();
        while let Some(field) = fields.next()? {
            if field.tag == 1 {
                request.resource_metrics.add(&field)?;
            }
        }
        Ok(request)
    }
}

impl<'a> ResourceMetrics<'a> {
    pub(crate) fn read(mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut metrics = Self::default();
        while let Some(field) = fields.next()? {
            match field.tag {
                1 => metrics.resource.add(&field)?,
                2 => metrics.scope_metrics.add(&field)?,
                _ => {}
            }
        }
        Ok(metrics)
    }
}

impl<'a> ScopeMetrics<'a> {
    pub(crate) fn read(mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut metrics = Self::default();
        while let Some(field) = fields.next()? {
            match field.tag {
                1 => metrics.scope.add(&field)?,
                2 => metrics.metrics.add(&field)?,
                _ => {}
            }
        }
        Ok(metrics)
    }
}

impl<'a> Metric<'a> {
    pub(crate) fn read(mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut metric = Self::default();
        let mut chosen: Option<(Kind, Repeated<'a>)> = None;
        while let Some(field) = fields.next()? {
            match (field.tag, Kind::of(field.tag), &mut chosen) {
                (1, ..) => metric.name = field.text()?,
                (2, ..) => metric.description = field.text()?,
                (3, ..) => metric.unit = field.text()?,
                // Of several kinds the last one counts; one that comes again is merged.
                (_, Some(kind), Some((same, parts))) if *same == kind => parts.add(&field)?,
                (_, Some(kind), _) => chosen = Some((kind, Repeated::one(&field)?)),
                _ => {}
            }
        }
        metric.data = chosen.map(|(kind, parts)| Data::read(kind, parts)).transpose()?;
        Ok(metric)
    }
}

impl Kind {
    /// The kind of metric whose data is in the field of that number.
    pub(crate) const fn of(tag: u32) -> Option<Self> {
        Some(match tag {
            5 => Self::Gauge,
            7 => Self::Sum,
            9 => Self::Histogram,
            10 => Self::ExponentialHistogram,
            11 => Self::Summary,
            _ => return None,
        })
    }

    /// The number of that field.
    pub(crate) const fn tag(self) -> u8 {
        match self {
            Self::Gauge => 5,
            Self::Sum => 7,
            Self::Histogram => 9,
            Self::ExponentialHistogram => 10,
            Self::Summary => 11,
        }
    }
}

impl<'a> Data<'a> {
    fn read(kind: Kind, parts: Repeated<'a>) -> Result<Self, Malformed> {
        let mut rest = parts;
        let first = rest.next()?.map(|fields| Part::read(kind, fields)).transpose()?.unwrap_or_default();
        let more = rest;
        let (mut temporality, mut monotonic) = (first.temporality, first.monotonic);
        while let Some(fields) = rest.next()? {
            let part = Part::read(kind, fields)?;
            temporality = part.temporality.or(temporality);
            monotonic = part.monotonic.or(monotonic);
        }
        let (temporality, monotonic) = (temporality.unwrap_or_default(), monotonic.unwrap_or_default());
        Ok(Self { kind, temporality, monotonic, parts, points: first.points, more })
    }

    /// The next point's fields.
    pub(crate) fn next_point(&mut self) -> Result<Option<Fields<'a>>, Malformed> {
        loop {
            if let Some(point) = self.points.next()? {
                return Ok(Some(point));
            }
            let Some(part) = self.more.next()? else { return Ok(None) };
            self.points = Part::read(self.kind, part)?.points;
        }
    }
}

/// `Gauge`, `Sum`, `Histogram`, `ExponentialHistogram` or `Summary`.
#[derive(Default)]
struct Part<'a> {
    points: Repeated<'a>,
    temporality: Option<i32>,
    monotonic: Option<bool>,
}

impl<'a> Part<'a> {
    fn read(kind: Kind, mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut part = Self::default();
        while let Some(field) = fields.next()? {
            match (field.tag, kind) {
                (1, _) => part.points.add(&field)?,
                (2, Kind::Sum | Kind::Histogram | Kind::ExponentialHistogram) => {
                    part.temporality = Some(field.int32()?);
                }
                (3, Kind::Sum) => part.monotonic = Some(field.varint()? != 0),
                _ => {}
            }
        }
        Ok(part)
    }
}

impl<'a> NumberPoint<'a> {
    pub(crate) fn read(mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut point = Self::default();
        while let Some(field) = fields.next()? {
            match field.tag {
                2 => point.start_time_unix_nano = field.fixed64()?,
                3 => point.time_unix_nano = field.fixed64()?,
                4 => point.value = field.double()?,
                5 => point.exemplars.add(&field)?,
                6 => point.value = field.fixed64()?.cast_signed() as f64,
                7 => point.attributes.add(&field)?,
                8 => point.flags = field.varint()?,
                _ => {}
            }
        }
        Ok(point)
    }
}

impl<'a> HistogramPoint<'a> {
    pub(crate) fn read(mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut point = Self::default();
        while let Some(field) = fields.next()? {
            match field.tag {
                2 => point.start_time_unix_nano = field.fixed64()?,
                3 => point.time_unix_nano = field.fixed64()?,
                4 => point.count = field.fixed64()?,
                5 => point.sum = Some(field.double()?),
                6 => field.fixed64s(|count| point.bucket_counts.push(count))?,
                7 => field.fixed64s(|bound| point.explicit_bounds.push(f64::from_bits(bound)))?,
                8 => point.exemplars.add(&field)?,
                9 => point.attributes.add(&field)?,
                10 => point.flags = field.varint()?,
                _ => {}
            }
        }
        Ok(point)
    }
}

impl<'a> ExponentialHistogramPoint<'a> {
    pub(crate) fn read(mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut point = Self::default();
        while let Some(field) = fields.next()? {
            match field.tag {
                1 => point.attributes.add(&field)?,
                2 => point.start_time_unix_nano = field.fixed64()?,
                3 => point.time_unix_nano = field.fixed64()?,
                4 => point.count = field.fixed64()?,
                5 => point.sum = Some(field.double()?),
                6 => point.scale = field.sint32()?,
                7 => point.zero_count = field.fixed64()?,
                8 => point.positive.add(&field)?,
                9 => point.negative.add(&field)?,
                10 => point.flags = field.varint()?,
                11 => point.exemplars.add(&field)?,
                14 => point.zero_threshold = field.double()?,
                _ => {}
            }
        }
        Ok(point)
    }
}

impl<'a> SummaryPoint<'a> {
    pub(crate) fn read(mut fields: Fields<'a>) -> Result<Self, Malformed> {
        let mut point = Self::default();
        while let Some(field) = fields.next()? {
            match field.tag {
                2 => point.start_time_unix_nano = field.fixed64()?,
                3 => point.time_unix_nano = field.fixed64()?,
                4 => point.count = field.fixed64()?,
                5 => point.sum = field.double()?,
                6 => point.quantiles.add(&field)?,
                7 => point.attributes.add(&field)?,
                8 => point.flags = field.varint()?,
                _ => {}
            }
        }
        Ok(point)
    }
}
