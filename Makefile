# `make help` lists what there is. Everything works from a checkout with python3 and make alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ONCE ?=
SOAK ?=
PARALLEL := --numprocesses=auto --no-loadscope-reorder --durations=10
# Built outside the checkout, so that a clone stays a clone and the next one is quick.
HOST := CARGO_TARGET_DIR=$${WASM_BUILD_CACHE:-$$HOME/.cache/wasmfleet-build}/host

.DEFAULT_GOAL := help
.PHONY: help setup tools run test deep check chaos attack bench delivery docs new-op wasm lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 10

setup: $(READY) ## .venv with everything, and the modules compiled for this machine

$(READY): pyproject.toml requirements.lock wasm_bin/manifest.json
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "this needs Python 3.11 or later with its venv module (Debian: apt-get install python3-venv)"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	-$(BIN)/wasmfleet compile
	@touch $@

tools: ## install what the tests and the Rust build need of the machine (Debian packages, needs root)
	$(PYTHON) tests/tools.py --install

run: setup ## start the fleet, put real files through it, keep serving (ONCE=1 stops after the job)
	$(BIN)/wasmfleet up --sample $(if $(ONCE),--once)

test: setup ## every test but chaos, real broker, workers and browser included (TESTS=tests/x.py)
	$(BIN)/pytest $(PARALLEL) --dist=loadfile $(or $(TESTS),tests --ignore=tests/chaos)

deep: setup ## both lanes of every operation on 2,000 random calls each, ten times those of `make test`
	$(BIN)/pytest tests/conformance/test_properties.py --hypothesis-profile=deep --timeout=1200 -rP

check: setup ## lint, format, types, import contract, Rust lint and unit tests
	@$(PYTHON) tests/tools.py --need cargo
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd wasm_src && cargo fmt --check
	cd wasm_src && $(HOST) cargo clippy --quiet --workspace --all-targets -- -D warnings
	cd wasm_src && $(HOST) cargo test --quiet --workspace

chaos: setup ## what must hold when things break, with its figures (SOAK=60: an hour of random faults as well)
	SOAK=$(SOAK) $(BIN)/pytest $(PARALLEL) --dist=loadgroup $(or $(TESTS),tests/chaos)

attack: setup ## hostile messages and modules against live workers (MINUTES=60, ATTACK_SEED=7)
	$(BIN)/python -m tests.attack --minutes $(or $(MINUTES),5)

bench: $(VENV)/.bench ## measure every number that the documentation states
	$(BIN)/python -m bench $(BENCH)

delivery: $(VENV)/.bench ## lost, doubled, stranded and how fast, beside Celery's own transport and Dramatiq (ROWS="a b speed")
	$(BIN)/python -m bench.delivery $(ROWS)

$(VENV)/.bench: $(READY) bench/requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bench/requirements.lock
	@touch $@

define REFERENCES
$(BIN)/python -m wasmfleet ops --format markdown > docs/operations.md
$(BIN)/python -m wasmfleet.workers.runtime.switches > docs/engine.md
$(BIN)/python docs/map.py
endef

docs: setup ## renew the references that are made from the code: operations, switches of the engine, the map
	$(REFERENCES)

new-op: setup ## lay out a new operation, to be filled in: make new-op FAMILY=text NAME=count_lines
	@cd wasm_src && ../$(BIN)/python -m new_op "$(FAMILY)" "$(NAME)"
	$(REFERENCES)

wasm: ## build wasm_bin/ anew from wasm_src/ (MODULE=text: that one only; INSTALL=1 installs the toolchain through apt)
	$(PYTHON) wasm_src/build.py $(if $(INSTALL),--install) $(MODULE)

lock: setup ## pin the newest versions that pyproject.toml allows
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --upgrade --extra fleet --group dev pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --upgrade --extra fleet --extra bench -c requirements.lock pyproject.toml -o bench/requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --extra fleet -c requirements.lock pyproject.toml -o deploy/requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate -c requirements.lock --group pyproject.toml:build -o deploy/build.lock

clean: ## remove what set-up and tests made
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
