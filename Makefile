# Every command makes .venv and installs what it needs first, and does nothing of the kind when that is done already.
PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin

# One thread per worker, because the workers share the cores; nothing is fetched while tests or the demo run.
OFFLINE := HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false
PYTEST := $(OFFLINE) OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 POLARS_MAX_THREADS=1 MPLBACKEND=Agg \
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# Warnings are errors, so that every page is read: one that was read before would not warn again.
SPHINX := $(OFFLINE) OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --builder html --fresh-env --quiet --fail-on-warning --keep-going

.NOTPARALLEL: # the commands share .venv and the cores
.DEFAULT_GOAL := help
.PHONY: help set-up demo test test-all check docs format clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-18s%s\n", $$1, $$2 }'

set-up: ## make .venv and install everything into it
	@$(PYTHON) tools/set_up.py

demo: set-up ## train and evaluate a real fusion on the example data
	@$(OFFLINE) $(BIN)/textclassify demo

test: set-up ## run the fast tests
	@$(PYTEST) -m "not slow"

test-all: set-up ## run all tests, those that train real models too
	@$(PYTEST)

check: set-up docs ## lint, formatting, types and the documentation
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: set-up ## build the documentation into build/docs
	@$(SPHINX) docs build/docs

format: set-up ## format the code and mend what the linter can
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

clean: ## remove .venv, caches and build outputs
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find src -name '*.egg-info' -type d -prune -exec rm -rf {} +
