#!/usr/bin/env bash
# Runs every fuzz target for a while, one after the other: PGBUNDLE_FUZZ_SECONDS
# for each (60), from PGBUNDLE_SEED where it is set. Names of targets as
# arguments run these alone. Ends with 1 at the first input for which something
# does not hold; put that file into seeds/<target>/, where `make test` reads it.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C

missing() {
    echo "fuzz: $1" >&2
    exit 3
}
command -v cargo-fuzz >/dev/null ||
    missing "cargo-fuzz is missing: cargo install --locked cargo-fuzz"
cargo +nightly --version >/dev/null 2>&1 ||
    missing "Rust's nightly toolchain is missing: rustup toolchain install nightly --profile minimal"

seconds=${PGBUNDLE_FUZZ_SECONDS:-60}
# libFuzzer's seeds have 32 bits, and 0 stands for a fresh one.
seed=$((${PGBUNDLE_SEED:-$RANDOM$RANDOM} % 4294967295 + 1))
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(cargo fuzz list)

# Examples that lie elsewhere in the tree.
examples_of() {
    case $1 in
    spec) echo clusters tests/spec/invalid ;;
    profile) echo profiles ;;
    packages) echo profiles/bases ;;
    esac
}

# No sanitizer: there is no unsafe code here. Overflows and assertions are checked.
how=(--sanitizer none --debug-assertions)
cargo +nightly fuzz build "${how[@]}"
for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target" "fuzz/seeds/$target"
    log=$(mktemp)
    # shellcheck disable=SC2046
    if ! cargo +nightly fuzz run "${how[@]}" "$target" \
        "fuzz/corpus/$target" "fuzz/seeds/$target" $(examples_of "$target") -- \
        -max_total_time="$seconds" -seed="$seed" -timeout=60 -rss_limit_mb=1024 \
        -print_final_stats=1 >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        rm -f "$log"
        echo "fuzz: $target does not hold (seed $seed); the input lies below fuzz/artifacts/$target" >&2
        exit 1
    fi
    echo "fuzz: $target held for $seconds s: $(grep -o 'number_of_executed_units: .*' "$log"), $(grep -o 'cov: [0-9]*' "$log" | tail -n 1), seed $seed"
    rm -f "$log"
done
