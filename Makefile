# pgbundle: `make bundle` builds the tools and a cluster's bundles and seeds,
# `make test` passes every test. Everything else is in the README.

PROFILE ?= debian12
CLUSTER ?= clusters/three-node.toml
OUT     ?= dist
PREFIX  ?= /usr/local
DESTDIR ?=
CARGO   ?= cargo

TARGET := x86_64-unknown-linux-gnu
TOOL   := target/release/pgbundle
NODE   := target/$(TARGET)/node/pgbundle-node

export PGBUNDLE_NODE := $(CURDIR)/$(NODE)

.PHONY: bundle tool node test lint bench lab lab-down golden install clean need-rust

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

# The example cluster, left running on this machine for a person to try.
lab: node
	$(CARGO) test --locked --test lab -- --ignored --exact --nocapture up::up

lab-down: need-rust
	$(CARGO) test --locked --test lab -- --ignored --exact --nocapture up::down

lint: need-rust
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --no-default-features --bin pgbundle-node -- -D warnings

# Beside apt, tar and gzip, as ratios; the release build, over the example's lock.
bench: bundle
	BENCH_TOOL=$(CURDIR)/$(TOOL) BENCH_CLUSTER=$(CURDIR)/$(CLUSTER) \
	BENCH_LOCK=$(CURDIR)/$(basename $(CLUSTER)).$(PROFILE)-amd64.lock \
	BENCH_STORE="$${PGBUNDLE_STORE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/pgbundle}" \
	$(CARGO) bench --locked --bench ratios

golden: need-rust
	PGBUNDLE_GOLDEN=write $(CARGO) test --locked --test it golden

install: tool node
	install -D -m 0755 $(TOOL) $(DESTDIR)$(PREFIX)/bin/pgbundle
	install -D -m 0755 $(NODE) $(DESTDIR)$(PREFIX)/libexec/pgbundle/pgbundle-node

clean:
	$(CARGO) clean
	rm -rf dist .lab
