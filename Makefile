# pgbundle: `make bundle` builds the tools and a cluster's bundles and seeds,
# `make test` passes every test. Everything else is in the README.

PROFILE ?= debian12
CLUSTER ?= clusters/three-node.toml
OUT     ?= dist
PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo
# What `make soak` does: this many power cuts and killed leaders, ten times as many root sets.
N       ?= 100

TARGET := x86_64-unknown-linux-gnu
TOOL   := target/release/pgbundle
NODE   := target/$(TARGET)/node/pgbundle-node

export PGBUNDLE_NODE := $(CURDIR)/$(NODE)

.PHONY: bundle tool node test soak lint bench lab lab-down golden install clean need-rust

bundle: tool node
	$(TOOL) build --profile $(PROFILE) --cluster $(CLUSTER) --out $(OUT) --node-program $(NODE)

need-rust:
	@command -v $(CARGO) >/dev/null || { echo "make: Rust is missing: install rustc and cargo 1.89 or newer (https://rustup.rs, or your distribution)" >&2; exit 3; }
	@command -v cc >/dev/null || { echo "make: a C compiler is missing: install gcc or clang" >&2; exit 3; }

tool: need-rust
	$(CARGO) build --release --locked --bin pgbundle

# Static, so that one file runs on every host whatever its C library. It is
# built for a named target so that the flag does not reach build scripts.
node: need-rust
	RUSTFLAGS='-C target-feature=+crt-static' $(CARGO) build --profile node --locked --target $(TARGET) --no-default-features --bin pgbundle-node

test: node
	$(CARGO) test --locked --lib --bins --test it
	$(CARGO) test --locked --test lab -- --test-threads=1

# What CI has no time for: the same tests with larger counts, and every fuzz
# target for a while (PGBUNDLE_FUZZ_SECONDS each, 60). PGBUNDLE_SEED repeats a run.
soak: node
	PGBUNDLE_ROOT_SETS=$$((10 * $(N))) $(CARGO) test --locked --test it -- --nocapture oracle_
	fuzz/run.sh
	PGBUNDLE_LEADER_KILLS=$(N) $(CARGO) test --locked --test lab -- --test-threads=1 --nocapture failures
	PGBUNDLE_CUTS=$(N) $(CARGO) test --locked --test lab -- --test-threads=1 --nocapture cuts

# The example cluster, left running on this machine for a person to try.
lab: node
	$(CARGO) test --locked --test lab -- --ignored --exact --nocapture up::up

lab-down: need-rust
	$(CARGO) test --locked --test lab -- --ignored --exact --nocapture up::down

lint: need-rust
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --no-default-features --bin pgbundle-node -- -D warnings

# Beside apt, tar, gzip and a cluster made by hand, as ratios; the release build,
# over the example's lock. The last row boots hosts and needs root.
bench: bundle
	BENCH_TOOL=$(CURDIR)/$(TOOL) BENCH_CLUSTER=$(CURDIR)/$(CLUSTER) \
	BENCH_STORE="$${PGBUNDLE_STORE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/pgbundle}" \
	$(CARGO) bench --locked --bench ratios
	$(CARGO) test --locked --test lab -- --ignored --exact --nocapture bench::boot_to_first_write

golden: need-rust
	PGBUNDLE_GOLDEN=write $(CARGO) test --locked --test it golden

install: tool node
	install -D -m 0755 $(TOOL) $(DESTDIR)$(PREFIX)/bin/pgbundle
	install -D -m 0755 $(NODE) $(DESTDIR)$(PREFIX)/libexec/pgbundle/pgbundle-node
	$(TOOL) --quiet manual $(DESTDIR)$(PREFIX)/share

clean:
	$(CARGO) clean
	rm -rf dist .lab
