#!/usr/bin/env bash
# Everything that CI runs, in one command. Needs Rust (rustup) and Python 3; fetches the rest itself: into .venv and
# target/tools, and with apt only what a compiler and a Python environment need.
#
# What can't be had here (no apt, advisory database out of reach) is skipped, loudly, and listed on the last line.
#
# The AWS SDK is nearly all of the build time, so it is built exactly three times: once as metadata (clippy and docs share it),
# once for the tests (dev profile; the end-to-end tests run the functions of this build), once by `sam build` as on a
# user's machine. The agent is small: the end-to-end tests run it in the profile that it ships in.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
tools=$target/tools
log=$target/test.log
cargo_deny_version=0.20.2

# Nothing below may reach a real AWS account.
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
export SAM_CLI_TELEMETRY=0

begun=$SECONDS
current=start
skipped=()

step() {
    current=$1
    shift
    local step_begun=$SECONDS
    printf '\n==> %s\n' "$current"
    "$@"
    printf '    %s: %s s\n' "$current" $((SECONDS - step_begun))
}

skip() {
    printf 'SKIPPED: %s\n' "$1"
    skipped+=("$1")
}

at_exit() {
    local status=$?
    if [ $status -ne 0 ]; then
        printf '\nFAILED in step "%s" after %s s. What it printed above says why.\n' "$current" $((SECONDS - begun)) >&2
    fi
}
trap at_exit EXIT

die() {
    printf '%s\n' "$1" >&2
    exit 1
}

# --- what has to be there -------------------------------------------------------------------------------------------

# Installs Debian packages, as root or through sudo. Fails where neither can be.
apt_install() {
    command -v apt-get >/dev/null || return 1
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; } || return 1
        as_root=(sudo)
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get -qq update && apt-get -qq install -y --no-install-recommends "$@"' sh "$@"
}

get_compiler() {
    command -v cargo >/dev/null || die "cargo is not on PATH: install Rust from https://rustup.rs"
    command -v cc >/dev/null || apt_install gcc libc6-dev || die "no C compiler: install the packages gcc and libc6-dev"
    cargo --version
    cargo fetch --locked
}

get_python() {
    local wanted
    wanted=$(sha256sum <tests/requirements.txt)
    if [ "$(cat .venv/installed 2>/dev/null)" != "$wanted" ]; then
        command -v python3 >/dev/null || die "python3 is not on PATH: install it (package python3)"
        rm -rf .venv
        # Debian packs the part of venv that installs pip apart.
        python3 -m venv .venv >/dev/null 2>&1 || { apt_install python3-venv && python3 -m venv --clear .venv; } ||
            die "python3 -m venv fails: install the package python3-venv"
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
        printf '%s\n' "$wanted" >.venv/installed
    fi
    .venv/bin/python --version
    # First on PATH: cargo-lambda finds zig through the first python3.
    export PATH=$PWD/.venv/bin:$PATH
}

# For the tests with the OpenTelemetry JavaScript SDK. Whoever has no Node.js skips them.
get_node() {
    if ! command -v npm >/dev/null; then
        printf 'no npm on PATH: the tests that need Node.js will be skipped\n'
        return
    fi
    node --version
    mkdir -p "$target/node"
    cmp -s tests/apps/node/package-lock.json "$target/node/installed" && return
    cp tests/apps/node/package.json tests/apps/node/package-lock.json "$target/node"
    if npm ci --prefix "$target/node" --ignore-scripts --no-audit --no-fund --loglevel=error; then
        cp tests/apps/node/package-lock.json "$target/node/installed"
    else
        rm -rf "$target/node"
        printf 'npm can not install the packages: the tests that need Node.js will be skipped\n'
    fi
}

# Debian's package, unpacked and not installed: that needs no root and starts no service.
get_prometheus() {
    export PATH=$PATH:$tools/usr/bin
    if ! command -v prometheus >/dev/null; then
        unpack_prometheus || true
    fi
    if command -v prometheus >/dev/null; then
        prometheus --version 2>&1 | head -n 1
    else
        printf 'no prometheus on PATH, and apt-get can not download it: the tests that need it will be skipped\n'
    fi
}

unpack_prometheus() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
    local state=$tools/apt
    local private=(-o "Dir::State=$state" -o "Dir::Cache=$state/cache" -o "APT::Sandbox::User=$(id -un)")
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
    (cd "$state" && apt-get -qq "${private[@]}" update && apt-get -qq "${private[@]}" download prometheus) || return 1
    dpkg -x "$state"/prometheus_*.deb "$tools"
    rm -r "$state"
}

get_cargo_deny() {
    export PATH=$tools/bin:$PATH
    if [ "$(cargo-deny --version 2>/dev/null)" != "cargo-deny $cargo_deny_version" ]; then
        # Unoptimized: it runs for seconds and would build for many minutes.
        cargo install cargo-deny --version $cargo_deny_version --locked --quiet --profile dev \
            --root "$tools" --target-dir "$tools/build"
        rm -r "$tools/build"
    fi
    cargo-deny --version
}

# --- what is checked ------------------------------------------------------------------------------------------------

check_deny() {
    cargo deny --locked --log-level error check bans licenses sources
    if timeout 20 git ls-remote --exit-code https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; then
        cargo deny --locked --log-level error check advisories
    else
        skip "cargo deny advisories: https://github.com/RustSec/advisory-db is out of reach"
    fi
}

check_docs() {
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
}

build() {
    cargo build -p siphon-agent --profile agent --locked
    # All targets at once, so that the programs and the tests share one build of every dependency.
    cargo build --workspace --all-targets --locked
}

run_tests() {
    local failed=0
    cargo test --workspace --locked --no-fail-fast 2>&1 | tee "$log" || failed=$?
    # A test that misses a real part to run against says so.
    local reason
    while read -r reason; do
        skipped+=("$reason")
    done < <(grep -a -o 'SKIPPED: .*' "$log" | sed 's/^SKIPPED: //' | sort -u)
    [ "$failed" -eq 0 ] || return "$failed"
    awk '/^test result:/ { passed += $4; ignored += $8 } END { printf "    %d tests passed, %d ignored\n", passed, ignored }' \
        "$log"
}

# What is special to the agent's build with TLS. tests/pulls_over_tls.rs has built it in the same folder.
test_tls() {
    cargo test -p siphon-agent --features tls --locked --target-dir "$target/tls" --test agent tls::
}

# libFuzzer is C++.
run_fuzz() {
    if command -v c++ >/dev/null || apt_install g++; then
        scripts/fuzz.sh 10
    else
        skip "fuzz targets: no C++ compiler (install the package g++); their seeds and regressions were tested"
    fi
}

check_template() {
    sam validate --lint
    local architecture
    case $(uname -m) in
    x86_64) architecture=x86_64 ;;
    aarch64) architecture=arm64 ;;
    *) die "Lambda has no $(uname -m)" ;;
    esac
    # Fails closed where cargo-lambda would fetch a toolchain or a crate by itself.
    RUSTUP_DIST_SERVER=http://127.0.0.1:9 CARGO_NET_OFFLINE=true \
        sam build --parameter-overrides "Architecture=$architecture"
    local function
    for function in EnumerateFunction ScrapeFunction DrainFunction; do
        test -x ".aws-sam/build/$function/bootstrap" || die "sam build made no program for $function"
    done
}

step "compiler and crates" get_compiler
step "Python environment" get_python
step "Node.js packages" get_node
step "Prometheus" get_prometheus
step "cargo-deny" get_cargo_deny
step "format" cargo fmt --all --check
step "licences, bans, sources" check_deny
step "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
step "docs" check_docs
step "build" build
step "tests" run_tests
step "agent with TLS" test_tls
step "fuzz" run_fuzz
step "SAM template" check_template

printf '\nAll checks passed in %s s.' $((SECONDS - begun))
if [ ${#skipped[@]} -gt 0 ]; then
    printf ' Skipped: %s.' "$(IFS=';'; printf '%s' "${skipped[*]}")"
fi
printf '\n'
