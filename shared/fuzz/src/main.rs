//! libFuzzer with the target that `SIPHON_FUZZ_TARGET` names. Its arguments are libFuzzer's.
//!
//! With `SIPHON_FUZZ_SEEDS=DIR` it writes the seeds of all targets instead: `DIR/TARGET/NAME`.

#![no_main]

use std::{env, process, sync::LazyLock};

use siphon_fuzz::{Target, target, write_seeds};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    if let Some(corpora) = env::var_os("SIPHON_FUZZ_SEEDS") {
        exit(write_seeds(corpora.as_ref()).map_err(|error| error.to_string()));
    }
    target(&env::var("SIPHON_FUZZ_TARGET").unwrap_or_default()).unwrap_or_else(|error| exit(Err(error)))
});

libfuzzer_sys::fuzz_target!(init: { LazyLock::force(&TARGET); }, |data: &[u8]| {
    (TARGET.run)(data);
});

fn exit(result: Result<(), String>) -> ! {
    let status = result.map_or_else(
        |error| {
            eprintln!("{error}");
            2
        },
        |()| 0,
    );
    process::exit(status)
}
