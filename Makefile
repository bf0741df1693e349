# Two commands: `make bench` and `make test`. Both set up what they need; `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help setup build bench test lint

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  make bench SIZES=64MiB ROUNDS=1 STRATEGIES=artifact,cache-tar OUT=results/try BENCH_ARGS='--seed 7'"
	@echo "  make test TEST_ARGS='-p handoff-engine'"

setup: ## an engine, Node's packages and tools in a folder of their own (docs/setup.md); nothing is installed
	@scripts/setup

build: ## target/release/handoff
	@cargo build --release -p handoff-cli

bench: setup build ## 1 GiB images, every strategy, 3 rounds; prints the table and the paths of its files (needs root: sudo)
	@SIZES='$(SIZES)' STRATEGIES='$(STRATEGIES)' ROUNDS='$(ROUNDS)' OUT='$(OUT)' BENCH_ARGS="$(BENCH_ARGS)" scripts/bench

test: setup ## all tests, on real engines and clients (needs root: sudo, for the test programs only)
	@TEST_ARGS="$(TEST_ARGS)" scripts/test

lint: ## cargo fmt --check, clippy without a warning
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings
