# Every target makes .venv and installs what it needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A worker for each core, a file's tests in one of them.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help quickstart reproduce test test-all coverage check bench docs clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1	/' | expand -t 14

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	$(PIP_INSTALL) -e '.[dev,docs,explore,sae,eval,convert]'
	@touch $@

quickstart: $(VENV)/.base ## Train a small TopK model, show its text and its neurons (minutes)
	$(BIN)/topklm quickstart

SEEDS ?= 1
SCALE ?= tiny
DATA ?=
reproduce: $(VENV)/.dev ## The main table: train `tiny` and its twin, compare (an hour of two cores a seed; SEEDS=3; SCALE=small DATA=books.parquet)
	$(BIN)/python examples/reproduce.py --seeds $(SEEDS) --scale $(SCALE) $(if $(DATA),--data $(DATA))

test: $(VENV)/.dev ## The quick tests (below 10 minutes)
	$(PYTEST) -m "not slow"

test-all: $(VENV)/.dev ## The slow rest of the tests
	$(PYTEST) -m slow

coverage: $(VENV)/.dev ## All tests, and the share of lines and branches that they run
	$(PYTEST) --cov --cov-report=term-missing

check: $(VENV)/.dev ## Format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## Benchmarks, each a ratio of two things in one run
	$(BIN)/python -m benchmarks

docs: $(VENV)/.dev ## Build the site into build/site; a warning or a broken link fails
	rm -rf build/site
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/site
	@echo 'build/site/index.html'

clean: ## Remove .venv and caches (never runs/)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
