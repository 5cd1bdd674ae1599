#!/usr/bin/env bash
# Everything that must hold before a change is taken: form, lints, documentation, tests. Ends with
# the time that each crate's tests took and the summary.
set -euo pipefail
cd "$(dirname "$0")/.."

report=$(mktemp)
trap 'rm -f "$report"' EXIT

step() {
    echo
    echo "== $*"
    local begun=$SECONDS status=0
    # Taken by hand: within a pipeline or a condition, the shell does not stop at a failure.
    "$@" || status=$?
    echo "== $((SECONDS - begun)) s"
    return "$status"
}

step cargo fmt --all --check
step cargo clippy --workspace --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" step cargo doc --workspace --no-deps
# The end to end tests run the programs themselves.
step cargo build --workspace --bins
step cargo test --workspace --doc

failed=0
if cargo nextest --version > /dev/null 2>&1; then
    step cargo nextest run --workspace --no-fail-fast --color never 2>&1 | tee "$report" || failed=1
    # "PASS [ 0.015s] ( 3/12) kiln-load::it name": the time, and the crate before "::".
    times='/^ *(PASS|FAIL|LEAK|SIG[A-Z]+|TIMEOUT) / {
        match($0, /\[ *[0-9.]+s\]/); time = substr($0, RSTART + 1, RLENGTH - 3)
        rest = substr($0, RSTART + RLENGTH); sub(/^ *\([^)]*\)/, "", rest)
        split(rest, words, " "); split(words[1], names, "::")
        if (!seen[rest]++) { took[names[1]] += time; count[names[1]]++ }
    }'
else
    step cargo test --workspace --no-fail-fast --lib --bins --tests 2>&1 | tee "$report" || failed=1
    # "Running unittests src/lib.rs (target/debug/deps/kiln_load-0123…)", then the crate's other
    # tests, each with "finished in 0.14s".
    times='/^ *Running unittests src\/(lib|main)\.rs/ {
        sub(/.*deps\//, ""); sub(/-[0-9a-f]*\).*/, ""); gsub(/_/, "-"); crate = $0
    }
    /^test result:/ { sub(/.*finished in /, ""); sub(/s$/, ""); took[crate] += $0; count[crate]++ }'
fi

echo
echo "== time of each crate's tests, added up over all that ran side by side"
awk "$times"' END { for (crate in took) printf "%9.2f s  %s\n", took[crate], crate }' "$report" |
    sort -rn
echo
grep -E '^ *Summary \[' "$report" || true
exit "$failed"
