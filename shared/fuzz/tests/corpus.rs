//! Every target over its seeds, over what mutations of them give, and over all that was ever found.

use std::{fs, path::Path};

use siphon_fuzz::TARGETS;

#[test]
fn every_seed_is_taken() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(seeds.len() >= 3, "{}: {} seeds", target.name, seeds.len());
        for (name, bytes) in seeds {
            assert!((target.run)(&bytes), "{}: {name}", target.name);
        }
    }
}

#[test]
fn a_seed_that_is_cut_off_breaks_no_promise() {
    for target in TARGETS {
        for (_, bytes) in (target.seeds)() {
            let step = 1 + bytes.len() / 16;
            for end in (0..bytes.len()).step_by(step) {
                (target.run)(&bytes[..end]);
            }
        }
    }
}

/// A file in `regressions/TARGET` broke a promise once.
#[test]
fn what_was_found_once_stays_mended() {
    let regressions = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    for folder in fs::read_dir(regressions).into_iter().flatten() {
        let folder = folder.unwrap().path();
        let target = siphon_fuzz::target(folder.file_name().unwrap().to_str().unwrap()).unwrap();
        for file in fs::read_dir(folder).unwrap() {
            (target.run)(&fs::read(file.unwrap().path()).unwrap());
        }
    }
}
