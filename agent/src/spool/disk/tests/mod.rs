//! The spool in files that are left, torn, damaged, or another task's.

mod arbitrary;
mod damage;
mod model;
mod reopening;

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use siphon_core::{
    units::UnixMillis,
    wire::{Kind, Record},
};

use super::{area::START, *};
use crate::spool::{
    Spool,
    ring::Ring,
    tests::{cursors, pull},
};

const TASK: &str = "arn:task";

/// A directory of this test alone, gone with it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("siphon-spool-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&dir);
        Self(dir)
    }
}

impl Deref for Scratch {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Spool {
    /// From now on its files can be read alone.
    pub(crate) fn refuse_writes(&mut self, dir: &Path) {
        for share in Share::ALL {
            let file = File::open(dir.join(share.name()).with_extension("spool")).unwrap();
            let Ring::Disk(ring) = self.queue_mut(share).ring() else { panic!("in memory") };
            ring.area.file = file;
        }
    }
}

/// A spool of `max_bytes` that knows its task, and what it found.
fn open(dir: &Path, max_bytes: usize) -> (Spool, Recovered) {
    let (mut spool, recovered) = Spool::open(dir, max_bytes).unwrap();
    assert_eq!(spool.claim(TASK).total(), 0, "it was this task's");
    (spool, recovered)
}

fn push(spool: &mut Spool, kind: Kind, payload: &[u8]) -> Tally {
    spool.push(kind, UnixMillis(0), payload).unwrap()
}

/// What is handed out until nothing is left, all of it acknowledged.
fn drain(spool: &mut Spool) -> Vec<Record> {
    let mut records = Vec::new();
    loop {
        let (page, _) = pull(spool, 1000);
        if page.records.is_empty() {
            return records;
        }
        spool.ack(&cursors(&page)).unwrap();
        records.extend(page.records);
    }
}

fn payloads(records: &[Record]) -> Vec<&[u8]> {
    records.iter().map(|record| &record.payload[..]).collect()
}
