#!/usr/bin/env bash
# Runs every fuzz target, or those named, for SECONDS each (60); fails at the first crash.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

seconds=${SECONDS_EACH:-60}
# Stable compilers take the flags of coverage only so.
export RUSTC_BOOTSTRAP=1
# Trees are unpacked thousands of times: into memory where there is some.
if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi

if ! cargo fuzz --version > /dev/null 2>&1; then
    echo "Installing cargo-fuzz."
    cargo install cargo-fuzz --locked
fi

targets=("$@")
if [ "${#targets[@]}" -eq 0 ]; then
    for program in targets/*.rs; do targets+=("$(basename "$program" .rs)"); done
fi
cargo fuzz build --sanitizer none
for target in "${targets[@]}"; do
    echo "== $target, for $seconds s"
    mkdir -p "corpus/$target"
    # New inputs go to the first directory; the seeds are only read.
    cargo fuzz run --sanitizer none "$target" "corpus/$target" "seeds/$target" -- \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1
done
echo "== every target held"
