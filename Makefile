.DEFAULT_GOAL := help
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name) 2>/dev/null)))
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
UV_LOCK := $(BIN)/uv pip compile --quiet --no-header --no-annotate --generate-hashes --no-emit-index-url --universal \
	--python-version 3.11
UV_COMPILE := $(UV_LOCK) pyproject.toml
EXTRA := $(BIN)/python -c "import sys, tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
	print(*project['optional-dependencies'][sys.argv[1]], sep='\n')"

# Tests start hundreds of processes, and some machines are set to keep no bytecode.
COMPILE := $(BIN)/python -m compileall -q -j 0 function_app.py functions shared

.PHONY: help demo up test test-slow lint format bench schemas docs lock clean

help:  ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

.venv/bin/python:
	$(PYTHON) -m venv .venv

# uv by pip, with its hashes, and all else by uv: pip alone takes minutes.
.venv/.uv: requirements-local.txt | .venv/bin/python
	awk '/^uv==/ {p = 1} p {print} p && !/\\$$/ {exit}' requirements-local.txt > .venv/uv.txt
	$(PIP) install --no-deps --require-hashes -r .venv/uv.txt
	@touch $@

.venv/.local: requirements-local.txt pyproject.toml .venv/.uv
	$(UV_INSTALL) --require-hashes --compile-bytecode -r requirements-local.txt
	$(UV_INSTALL) --no-deps -e .
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.local
	$(UV_INSTALL) --require-hashes --compile-bytecode -r requirements-dev.txt
	@touch $@

demo: .venv/.local  ## upload a real model three ways and see it registered and announced (URL=... for a running Slipway)
	$(BIN)/python examples/demo.py $(if $(URL),--url $(URL))

up: .venv/.local  ## run the control plane on this machine
	$(BIN)/slipway up

test: .venv/.dev  ## run the tests (unit, contract, functions, scenarios, docs)
	@$(COMPILE)
	$(BIN)/pytest -n 3 --dist worksteal -m "not slow"  # of two cores, too: much of it waits for processes

test-slow: .venv/.dev  ## run what takes longer (kill -9 at 200 moments, 2 GB uploads, fuzzing at length)
	@$(COMPILE)
	$(BIN)/pytest -m slow --timeout 1800

lint: .venv/.dev  ## ruff, mypy --strict, import rules, stale schemas and lock files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m shared.declarations.json_schemas --check

format: .venv/.dev  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.dev  ## measure what docs/benchmarks.md states
	$(BIN)/python -m tests.benchmarks

schemas: .venv/.dev  ## generate schemas/ from the pydantic models
	$(BIN)/python -m shared.declarations.json_schemas

docs: .venv/.dev  ## run the commands in README.md and docs/
	$(BIN)/pytest tests/docs

lock: .venv/.dev  ## resolve pyproject.toml into the requirements files again
	$(UV_COMPILE) --extra kubernetes -o requirements.txt
	$(UV_COMPILE) --extra local -c requirements.txt -o requirements-local.txt
	$(UV_COMPILE) --extra dev -c requirements-local.txt -o requirements-dev.txt
	$(EXTRA) scoring | $(UV_LOCK) - -o shared/packaging/server.lock

clean:  ## remove what was made here
	rm -rf .venv .slipway .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
