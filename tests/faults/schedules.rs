//! Seeded schedules against the strict receivers and against a real Prometheus, which rolls a whole request back for one
//! bad sample.

use siphon_tests::prometheus::Prometheus;

use crate::{run::run, schedule::Schedule, seeds, stored::Stored};

/// Applications' clocks may be off by less than what Amazon Managed Prometheus refuses, or Prometheus takes out of order.
const MOST_SKEW_MS: i64 = 40 * 60 * 1000;
const MOST_SKEW_IN_WINDOW_MS: i64 = 20 * 60 * 1000;

#[test]
fn whatever_fails_all_is_stored_once_or_counted() {
    seeds::run("whatever_fails_all_is_stored_once_or_counted", 48, |seed| {
        let stored = |world: &crate::world::World| Stored::strict(world.backend.receivers());
        run(Schedule::draw(seed, MOST_SKEW_MS), None, stored)
    });
}

#[test]
fn a_real_prometheus_has_all_in_order() {
    let Some(prometheus) = Prometheus::in_order() else { return };
    against("a_real_prometheus_has_all_in_order", &prometheus);
}

#[test]
fn a_real_prometheus_that_takes_late_samples_has_all() {
    let Some(prometheus) = Prometheus::start() else { return };
    against("a_real_prometheus_that_takes_late_samples_has_all", &prometheus);
}

fn against(name: &str, prometheus: &Prometheus) {
    seeds::run(name, 24, |seed| {
        let schedule = Schedule::draw(seed, MOST_SKEW_IN_WINDOW_MS);
        run(schedule, Some(prometheus), |world| Stored::real(world, prometheus))
    });
}
