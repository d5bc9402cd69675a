# Two commands are enough in a fresh clone, each first and alone: `make quickstart` and `make test`.
# Everything is installed into .venv by pip, at the versions of constraints.txt; `make help` lists the rest.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
RESULTS ?= results/quickstart
WORKERS ?= 2
INPUTS := pyproject.toml constraints.txt

# One thread for each of the test processes: two cores are shared by two of them.
TEST_ENVIRONMENT := OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
PYTEST := $(TEST_ENVIRONMENT) $(BIN)/python -m pytest -q -n $(WORKERS)

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-default test-marked lint format checkpoints docs bench clean
.DELETE_ON_ERROR:

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

quickstart: .venv/ready-to-run ## install, then compare three tiny models and write a card
	$(BIN)/safetyrepro quickstart --out $(RESULTS)

test: test-default test-marked ## install, then run every test

test-default: .venv/ready-to-test ## the tests that need no model library and no browser
	$(PYTEST) -m "not (model or browser or long)"

test-marked: .venv/ready-to-test ## the tests that do
	$(PYTEST) -m "model or browser or long"

lint: .venv/ready-to-test ## style, form, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: .venv/ready-to-test ## mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

checkpoints: .venv/ready-to-run ## train the tiny models of the quickstart again
	OMP_NUM_THREADS=1 $(BIN)/python -m safetyrepro.quickstart.train

docs: .venv/ready-to-test ## write the reference pages that are made from the code
	$(BIN)/python scripts/reference.py

bench: .venv/ready-to-test ## print the ratios of bench/ (never part of the tests)
	for file in bench/*.py; do $(BIN)/python "$$file" || exit 1; done

clean: ## remove the environment, results and caches
	rm -rf .venv results dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# A stamp is written after its step succeeded, so a step that was interrupted runs again.
.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "safetyrepro needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' || \
	  { echo "$(PYTHON) cannot make environments; on Debian: apt-get install python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/ready-to-run: .venv/made $(INPUTS)
	@echo "Installing safetyrepro with its model library into .venv (about a minute, once) ..." >&2
	$(PIP) -e '.[hf]'
	@touch $@

.venv/ready-to-test: .venv/made $(INPUTS)
	@echo "Installing safetyrepro and its test tools into .venv (about a minute, once) ..." >&2
	$(PIP) -e '.[hf,quantization,attribution,inspect-logs,frames,ray,dev]'
	@touch .venv/ready-to-run $@
