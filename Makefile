# Fengsui. `make demo` is the place to begin: on a machine with Python 3.11 it installs what it needs into .venv and runs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules

# The first Python that is new enough; `make PYTHON=/path/to/python3.12 demo` takes another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { command -v $$p; break; }; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PACKAGES := events rules detectors streams sinks dashboards fengsui
BOARD := dashboards/board
BOARD_SOURCES := $(shell find $(BOARD) -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -name '*.tsbuildinfo' 2>/dev/null)
# Tests run in as many processes as there are cores.
WORKERS ?= auto
ARGS ?=

.PHONY: help install demo test test-cluster check format bench board nightly lock wheel clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

install: .venv/.dev .venv/.warm board ## everything, for work on the project, into .venv

demo: .venv/.warm board ## the whole system with a generated day played into it (ARGS="--listen 127.0.0.1:9000")
	@exec $(BIN)/fengsui demo $(ARGS)

test: .venv/.dev .venv/.warm board ## all tests but the nightly ones
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not nightly" --ignore tests/cluster $(ARGS)

# It brings Java and Kafka's jars itself, from Debian and Maven Central.
test-cluster: .venv/.dev .venv/.warm ## the tests with a real Kafka
	deploy/kafka/fetch.sh
	$(BIN)/python -m pytest tests/cluster -m "cluster and not nightly" $(ARGS)

check: .venv/.dev ## format, lint, strict types, floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_floors.py

format: .venv/.dev ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.dev ## every benchmark of benchmarks/, one after the other
	@for script in benchmarks/[a-z]*.py; do name=benchmarks.$$(basename $$script .py); echo "== $$name"; $(BIN)/python -m $$name; done

board: $(BOARD)/dist/index.html ## the board, built by npm where its sources changed

nightly: .venv/.dev board ## all tests, the long ones too
	deploy/kafka/fetch.sh
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lock: .venv/.dev ## renew deploy/requirements*.txt from pyproject.toml (ARGS=--upgrade)
	deploy/lock.sh $(ARGS)

wheel: .venv/.runtime board ## dist/fengsui-*.whl, with the board in it
	$(BIN)/python -m hatchling build -t wheel

clean: ## take away what was built, but no data
	rm -rf .venv dist build $(BOARD)/dist $(BOARD)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis

# --- Python

.venv/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "fengsui needs Python 3.11 or newer, and found none: install it, or say make PYTHON=/path/to/python3" >&2; exit 3; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "$(PYTHON) has no venv module: install it (Debian: apt-get install python3-venv)" >&2; exit 3; }
	$(PYTHON) -m venv .venv
	@touch $@

# The lock is complete, so nothing is resolved; the hashes are checked.
.venv/.runtime: .venv/pyvenv.cfg deploy/requirements.txt pyproject.toml
	$(PIP) install --quiet --require-hashes --no-deps -r deploy/requirements.txt
	$(PIP) install --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@

# The engine's inner loops, compiled once: else the first start would spend its first seconds on that.
.venv/.warm: .venv/.runtime $(wildcard events/*.py rules/*.py rules/kinds/*.py streams/*.py)
	$(BIN)/python -m fengsui.warm
	@touch $@

.venv/.dev: .venv/.runtime deploy/requirements-dev.txt
	$(PIP) install --quiet --require-hashes --no-deps -r deploy/requirements-dev.txt
	@touch $@

# --- board

$(BOARD)/dist/index.html: $(BOARD_SOURCES) | .venv/pyvenv.cfg
	deploy/board.sh
