# Two commands: `make bench` and `make test`. Both set up what they need; `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help setup build bench check test lint lint-workflows buildkit-image engine-29 spike-page readme

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  make bench SIZES=64MiB ROUNDS=1 STRATEGIES=artifact,cache-tar OUT=results/try BENCH_ARGS='--seed 7'"
	@echo "  make test TEST_ARGS='-p handoff-cli --test machine relay'"

setup: ## an engine, Node's packages and tools in a folder of their own (docs/setup.md); nothing is installed
	@scripts/setup

build: ## target/release/handoff, and handoff-relay beside it
	@cargo build --release -p handoff-cli -p handoff-relay

bench: setup build ## the preset `quick`: 1 GiB images, every strategy, 3 rounds; prints the table and the paths of its files (needs root: sudo)
	@SIZES='$(SIZES)' STRATEGIES='$(STRATEGIES)' ROUNDS='$(ROUNDS)' OUT='$(OUT)' BENCH_ARGS="$(BENCH_ARGS)" scripts/bench

SPIKE_RESULTS = $(patsubst %/,%,$(sort $(wildcard results/*/)))

spike-page: build ## docs/spike.md: every statement of the spike, judged by the committed results (SPIKE_ARGS=--check: only compare)
	@target/release/handoff report $(SPIKE_RESULTS) --spike docs/spike.md $(SPIKE_ARGS)

README_RESULTS := results/2026-11-25-spike-1gib-own-disk

readme: build ## README.md's chart and table, from committed results (README_ARGS=--check: only compare)
	@target/release/handoff report $(README_RESULTS) --readme README.md $(README_ARGS)

# CI's tests of docker-container builders need it; made once, kept below HANDOFF_HOME.
buildkit-image: setup ## the image of docker-container builders, for machines that cannot pull it (needs Go)
	@scripts/with-env cargo run -q -p handoff-cli -- doctor --build-buildkit-image

engine-29: setup ## dockerd and containerd of Docker 29 for --engine-version 29, built from Go modules (minutes; needs Go)
	@scripts/setup-engine-29

check: ## the tests that need neither root nor Docker nor Node nor a network (CHECK_ARGS='-p handoff-runner')
	@scripts/check $(CHECK_ARGS)

test: setup buildkit-image ## all tests, on real engines and clients (needs root: sudo, for the test programs only)
	@TEST_ARGS="$(TEST_ARGS)" scripts/test

# The probe stands outside the workspace (it is linked statically with flags of its own).
probe := --manifest-path fixtures/probe/Cargo.toml

lint-workflows: setup ## the workflows: drift, actionlint, GitHub's parser, zizmor
	@scripts/lint-workflows

lint: ## cargo fmt --check, clippy without a warning, the committed results, shellcheck where it is installed, prose and names
	@cargo fmt --all --check
	@cargo fmt $(probe) --check
	@cargo clippy --workspace --all-targets -- -D warnings
	@cargo clippy --workspace --test machine -- -D warnings
	@cargo clippy $(probe) --target-dir target/probe --all-targets -- -D warnings
	@cargo build --quiet -p handoff-cli
	@scripts/check-results --handoff target/debug/handoff
	@scripts/doc-tables --check
	@if venv=$$(scripts/dev-tools statistics); then \
	  "$$venv/bin/python" scripts/recompute-verdicts --handoff target/debug/handoff; \
	else echo "lint: numpy and scipy cannot be installed, verdicts were not recomputed (scripts/dev-tools statistics)"; fi
	@if command -v shellcheck >/dev/null; then \
	  shellcheck -x -P . scripts/setup scripts/setup-engine-29 scripts/artifact-by-hand scripts/check scripts/relay-cpu scripts/test && shellcheck scripts/action scripts/bench scripts/conformance scripts/setup-browser scripts/setup-skopeo scripts/engine-29 scripts/test-setup scripts/with-env scripts/act scripts/lint-workflows scripts/dev-tools scripts/testdata/make-archive .ci/run; \
	else echo "lint: shellcheck is not installed, scripts were not checked (apt-get install shellcheck)"; fi
	@scripts/prose-lint
