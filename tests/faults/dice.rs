//! Draws faults: seeded, at a rate, until they are switched off.

use std::sync::Mutex;

use fastrand::Rng;

/// Faults of one party.
pub(crate) struct Dice<F>(Mutex<State<F>>);

struct State<F> {
    rng: Rng,
    /// Of each hundred draws so many give a fault.
    percent: u32,
    draw: fn(&mut Rng) -> F,
    /// In place of any draw.
    storm: Option<F>,
}

impl<F: Clone> Dice<F> {
    pub(crate) fn new(seed: u64, percent: u32, draw: fn(&mut Rng) -> F) -> Self {
        Self(Mutex::new(State { rng: Rng::with_seed(seed), percent, draw, storm: None }))
    }

    /// The next fault, if there is to be one.
    pub(crate) fn roll(&self) -> Option<F> {
        let mut state = self.0.lock().unwrap();
        if state.storm.is_some() {
            return state.storm.clone();
        }
        let hit = state.rng.u32(..100) < state.percent;
        let State { rng, draw, .. } = &mut *state;
        hit.then(|| draw(rng))
    }

    /// From now on, nothing but `fault`; with `None`, draws as before.
    pub(crate) fn storm(&self, fault: Option<F>) {
        self.0.lock().unwrap().storm = fault;
    }

    /// No more faults.
    pub(crate) fn calm(&self) {
        let mut state = self.0.lock().unwrap();
        (state.percent, state.storm) = (0, None);
    }
}
