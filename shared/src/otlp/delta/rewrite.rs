//! A request with totals in the place of what was added. All else is copied as it lies.

use std::time::Duration;

use super::{
    Drops, Reason, Stop, find,
    identity::{Key, Prefix},
    point::{Head, Layout},
    table::Table,
    total::Delta,
};
use crate::{
    otlp::{
        NO_RECORDED_VALUE, Temporality,
        view::{Data, Kind, Metric, ResourceMetrics, ScopeMetrics},
    },
    protobuf::{
        read::{Fields, Malformed},
        write,
    },
};

/// By how much a length at each level around a point can grow.
const LENGTHS_GROWTH: usize = 16;

/// A request on its way.
pub(super) struct Rewriter<'t> {
    pub(super) table: &'t mut Table,
    pub(super) key: &'t Key,
    pub(super) now: Duration,
    /// By how many bytes the request may still grow.
    pub(super) spare: usize,
    pub(super) out: Vec<u8>,
    pub(super) drops: Drops,
}

/// What the points of a metric have in common.
struct Points {
    kind: Kind,
    is_monotonic: bool,
    series: Prefix,
}

impl Rewriter<'_> {
    /// An `ExportMetricsServiceRequest`.
    pub(super) fn request(&mut self, mut request: Fields<'_>) -> Result<(), Malformed> {
        while let Some((field, whole)) = request.next_whole()? {
            if field.tag == 1 && find::in_resource_metrics(field.message()?)? {
                self.resource_metrics(field.message()?)?;
            } else {
                self.out.extend_from_slice(whole);
            }
        }
        Ok(())
    }

    fn resource_metrics(&mut self, mut message: Fields<'_>) -> Result<(), Malformed> {
        let resource = self.key.resource(ResourceMetrics::read(message)?.resource)?;
        let open = write::open(1, message.rest().len(), &mut self.out);
        while let Some((field, whole)) = message.next_whole()? {
            if field.tag == 2 && find::in_scope_metrics(field.message()?)? {
                self.scope_metrics(field.message()?, &resource)?;
            } else {
                self.out.extend_from_slice(whole);
            }
        }
        write::close(&open, &mut self.out);
        Ok(())
    }

    fn scope_metrics(&mut self, mut message: Fields<'_>, resource: &Prefix) -> Result<(), Malformed> {
        let scope = resource.scope(ScopeMetrics::read(message)?.scope)?;
        let open = write::open(2, message.rest().len(), &mut self.out);
        while let Some((field, whole)) = message.next_whole()? {
            match field.tag {
                2 if find::in_metric(field.message()?)? => self.metric(field.message()?, whole, &scope)?,
                _ => self.out.extend_from_slice(whole),
            }
        }
        write::close(&open, &mut self.out);
        Ok(())
    }

    fn metric(&mut self, message: Fields<'_>, whole: &[u8], scope: &Prefix) -> Result<(), Malformed> {
        let mut metric = Metric::read(message)?;
        match metric.data.take() {
            Some(data) if data.temporality == Temporality::Delta as i32 => {
                let series = scope.metric(&metric, data.kind, data.monotonic);
                let points = Points { kind: data.kind, is_monotonic: data.monotonic, series };
                self.delta_metric(message, &data, &points)
            }
            _ => {
                self.out.extend_from_slice(whole);
                Ok(())
            }
        }
    }

    /// One of which no point is left is left out.
    fn delta_metric(
        &mut self,
        mut message: Fields<'_>,
        data: &Data<'_>,
        points: &Points,
    ) -> Result<(), Malformed> {
        let from = self.out.len();
        let open = write::open(2, message.rest().len(), &mut self.out);
        while let Some((field, whole)) = message.next_whole()? {
            // The data follow. Those of another kind are what they replace.
            if Kind::of(field.tag).is_none() {
                self.out.extend_from_slice(whole);
            }
        }
        let has_points = self.data(data, points)?;
        write::close(&open, &mut self.out);
        if !has_points {
            self.out.truncate(from);
        }
        Ok(())
    }

    /// Data that come in several parts become one. Says whether any point is left.
    fn data(&mut self, data: &Data<'_>, points: &Points) -> Result<bool, Malformed> {
        let mut has_points = false;
        let open = write::open(data.kind.tag(), data.parts.bytes().len(), &mut self.out);
        let mut parts = data.parts;
        while let Some(mut part) = parts.next()? {
            while let Some((field, whole)) = part.next_whole()? {
                match field.tag {
                    1 => has_points |= self.point(field.message()?, whole, points)?,
                    2 => {}
                    _ => self.out.extend_from_slice(whole),
                }
            }
        }
        write::uint64(2, Temporality::Cumulative as u64, &mut self.out);
        write::close(&open, &mut self.out);
        Ok(has_points)
    }

    /// Says whether the point is left.
    fn point(&mut self, point: Fields<'_>, whole: &[u8], points: &Points) -> Result<bool, Malformed> {
        match self.total(point, whole, points) {
            Ok(()) => Ok(true),
            Err(Stop::Dropped(reason)) => {
                self.drops.add(reason);
                Ok(false)
            }
            Err(Stop::Malformed(malformed)) => Err(malformed),
        }
    }

    fn total(&mut self, point: Fields<'_>, whole: &[u8], points: &Points) -> Result<(), Stop> {
        let layout = Layout::of(points.kind);
        let head = Head::read(point, layout)?;
        let id = points.series.series(head.attributes)?;
        if head.flags & u64::from(NO_RECORDED_VALUE) != 0 {
            self.table.end(id, &head)?;
            self.out.extend_from_slice(whole);
            return Ok(());
        }
        let delta = Delta::read(points.kind, points.is_monotonic, point, self.key)?;
        let series = self.table.add(id, &head, &delta, self.now)?;

        let from = self.out.len();
        let open = write::open(1, point.rest().len(), &mut self.out);
        layout.copy_kept(point, &mut self.out)?;
        if series.start > 0 {
            write::fixed64(2, series.start, &mut self.out);
        }
        series.total.write(&mut self.out);
        write::close(&open, &mut self.out);
        self.fit(from, whole.len())
    }

    /// Takes back what was written since `from` if the request would become too large by it. The series has the point
    /// all the same, so that its next one tells.
    fn fit(&mut self, from: usize, given: usize) -> Result<(), Stop> {
        let growth = match (self.out.len() - from).saturating_sub(given) {
            0 => 0,
            more => more + LENGTHS_GROWTH,
        };
        match self.spare.checked_sub(growth) {
            Some(spare) => {
                self.spare = spare;
                Ok(())
            }
            None => {
                self.out.truncate(from);
                Err(Stop::Dropped(Reason::TooLarge))
            }
        }
    }
}
