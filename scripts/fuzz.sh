#!/usr/bin/env bash
# Runs every fuzz target: scripts/fuzz.sh [SECONDS for each, 20 unless given]
#
# Stable Rust is enough: the compiler's own coverage pass, and libFuzzer as a library. Corpora are kept in
# target/fuzz/corpus from run to run, and begin with the golden inputs.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-20}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
corpora=$target/fuzz/corpus
logs=$target/fuzz/logs
host=$(rustc -vV | sed -n 's/^host: //p')
mkdir -p "$corpora" "$logs"

coverage="-C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4"
coverage+=" -C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table"
coverage+=" -C llvm-args=-sanitizer-coverage-trace-compares"
# A named target keeps the flags off build scripts and macros, which have no libFuzzer to report to.
RUSTFLAGS=$coverage cargo build -p siphon-fuzz --features libfuzzer --profile fuzz --target "$host" --locked
program=$target/$host/fuzz/fuzz
SIPHON_FUZZ_SEEDS=$corpora "$program"

# One target for the given time. What breaks it is left in regressions/, where every later test run tries it.
fuzz() {
    local name=$1 log=$logs/$1.log found=shared/fuzz/regressions/$1
    mkdir -p "$found"
    if SIPHON_FUZZ_TARGET=$name "$program" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -max_len=65536 \
        -print_final_stats=1 -artifact_prefix="$found/" "$corpora/$name" >"$log" 2>&1; then
        rmdir --ignore-fail-on-non-empty -p "$found"
        awk -v name="$name" '
            / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
            /^stat::number_of_executed_units/ { runs = $2 }
            END { printf "    %-14s %9d runs, %5d edges\n", name, runs, edges }' "$log"
    else
        printf '%s: broken by an input, which is now in %s; the end of %s:\n' "$name" "$found" "$log" >&2
        grep -a -v '^#' "$log" | tail -n 40 >&2
        return 1
    fi
}
export -f fuzz
export seconds corpora logs program

# As many at a time as there are cores. The names are those that have a corpus.
find "$corpora" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort |
    xargs -P "$(nproc)" -I '{}' bash -euo pipefail -c 'fuzz {}'
