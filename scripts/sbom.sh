#!/usr/bin/env bash
# What the shipped programs are made of: a CycloneDX file for each, in target/sbom. Goes with every release.
#
#   scripts/sbom.sh [TARGET, the host's unless given, such as aarch64-unknown-linux-gnu]
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.5.9
target=${1:-$(rustc -vV | sed -n 's/^host: //p')}
built=$(realpath -m "${CARGO_TARGET_DIR:-target}")
tools=$built/tools
mkdir -p "$built/sbom"

if [ "$("$tools/bin/cargo-cyclonedx" cyclonedx --version 2>/dev/null)" != "cargo-cyclonedx-cyclonedx $version" ]; then
    # Unoptimized: it runs for seconds and would build for minutes.
    cargo install cargo-cyclonedx --version $version --locked --quiet --profile dev \
        --root "$tools" --target-dir "$tools/build"
    rm -r "$tools/build"
fi

# It writes beside each manifest, for every program of the workspace; those that are shipped are kept.
"$tools/bin/cargo-cyclonedx" cyclonedx --quiet --format json --spec-version 1.5 --describe binaries --no-build-deps \
    --target "$target"
for crate in agent functions/enumerate functions/scrape; do
    for file in "$crate"/*_bin.cdx.json; do
        name=$(basename "$file" _bin.cdx.json)
        # Paths of this machine are nobody's business.
        sed "s#file://$PWD#file://#g; s#$PWD/##g" "$file" >"$built/sbom/$name.cdx.json"
        python3 -c 'import json, sys; print("   ", sys.argv[1].rsplit("/", 1)[1], len(json.load(open(sys.argv[1]))["components"]), "components")' \
            "$built/sbom/$name.cdx.json"
    done
done
find agent functions local shared tests -name '*_bin.cdx.json' -not -path '*/target/*' -delete
