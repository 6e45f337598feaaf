//! Seeded schedules against the strict receivers and against a real Prometheus, which rolls a whole request back for one
//! bad sample.

use siphon_tests::prometheus::Prometheus;

use crate::{
    run::run,
    schedule::{Receiver, Schedule},
    seeds,
    stored::Stored,
};

#[test]
fn whatever_fails_all_is_stored_once_or_counted() {
    seeds::run("whatever_fails_all_is_stored_once_or_counted", 48, |seed| {
        let stored = |world: &crate::world::World| Stored::strict(world.backend.receivers());
        run(Schedule::draw(seed, Receiver::Amp), None, stored)
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
        let schedule = Schedule::draw(seed, Receiver::Prometheus);
        run(schedule, Some(prometheus), |world| Stored::real(world, prometheus))
    });
}
