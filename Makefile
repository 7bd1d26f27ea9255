# Every target prints what it does. The tools it needs beside Rust are looked for first, and
# installed where that can be done without asking (scripts/tools.sh).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run demo receiver test lint bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build in release and serve on 127.0.0.1:8080, with data in ./data
	@echo '==> building in release (a few minutes the first time) and serving; stop with ctrl-c'
	@scripts/tools.sh build
	cargo build --release --locked -p auditcast
	exec target/release/auditcast serve

demo: ## deliver a handful of entries to nine kinds of destinations on this machine
	@echo '==> starting a server and a receiver, delivering entries to nine kinds of destinations'
	@scripts/tools.sh build
	@scripts/demo.sh

receiver: ## serve stand-ins of the vendors on this machine, for the tour in README.md
	@echo '==> building and serving the receiver; stop with ctrl-c'
	@scripts/tools.sh build
	cargo build --release --locked -p receiver
	exec target/release/auditcast-receiver --http-listen 127.0.0.1:8088 --control-listen 127.0.0.1:8444

test: ## install what the tests need, and run all of them
	@echo '==> installing what is missing, then running every test'
	@scripts/tools.sh build test
	cargo test --locked --workspace
	@scripts/client-tests.sh

lint: ## check form, lints and dependencies
	@echo '==> checking form, lints, and licences and sources of dependencies'
	@scripts/tools.sh build
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny --locked check bans licenses sources; \
	else echo 'skipped: cargo-deny is not here; cargo install --locked cargo-deny'; fi

# BENCH_OPTIONS='--quick' for two minutes, '--full' for the sizes of the targets; see bench/README.md.
BENCH_OPTIONS ?=

bench: ## measure speed on this machine, against what it can do, and write docs/benchmarks.md
	@echo '==> building in release, then measuring for at most thirteen minutes'
	@scripts/tools.sh build
	cargo build --release --locked -p auditcast
	cargo build --release --locked -p store --example commit_rate
	cargo build --release --locked -p bench
	target/release/bench --docs docs/benchmarks.md $(BENCH_OPTIONS)
