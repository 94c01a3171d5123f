# Tandem: run it, prove it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# What pip is at, a name a line: it takes a minute.
SHOWN := sed -un 's/^Collecting \([A-Za-z0-9._-]*\).*/  \1/p; s/^Obtaining file:.*\/\([a-z]*\)$$/  \1/p; s/^Installing collected packages.*/  … and installing them/p'
DISTRIBUTIONS := -e shared -e services/metadata -e services/artifacts

TEST_PROCESSES ?= 4
# Tests go to processes by groups: tests/harness/scheduling.py. ARGS choose a part, as -k does.
PYTEST := $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadscope --no-loadscope-reorder $(ARGS)

# Compiled modules are kept: hundreds of services that tests start would each compile them anew.
unexport PYTHONDONTWRITEBYTECODE

export METADATA_PORT ?= 5000
export ARTIFACTS_PORT ?= 5500
export BACKEND_STORE_URI ?= sqlite:///mlflow.db
export ARTIFACTS_DESTINATION ?= ./mlartifacts
export UI_DIR ?= .cache/ui/$(shell sed -n 's/^mlflow==\([^ ]*\).*/\1/p' deploy/ui.txt)

.PHONY: help setup setup-dev ui run test test-faults test-browser test-cluster test-all browser tools picture prices bench bench-growth load-tools check isolate follow clean

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(VENV)/.installed ui ## .venv with the three distributions, and the web UI

setup-dev: $(VENV)/.installed-dev ui ## .venv with what tests and checks need besides

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@echo "Making $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python constraints.txt pyproject.toml shared/pyproject.toml services/metadata/pyproject.toml services/artifacts/pyproject.toml
	@echo "Installing Tandem and what it needs into $(VENV), which takes about a minute, once:"
	@$(PIP) install --quiet -c constraints.txt pip
	@$(PIP) install -c constraints.txt --group ui $(DISTRIBUTIONS) | $(SHOWN)
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed pyproject.toml
	@echo "Installing what tests and checks need besides, which takes some minutes, once:"
	@$(PIP) install -c constraints.txt --group dev $(DISTRIBUTIONS) -e 'shared[uvicorn]' -e 'services/metadata[aws,gcp,parquet]' -e 'services/artifacts[cloud]' | $(SHOWN)
	@touch $@

ui: $(VENV)/.installed
	@$(BIN)/python deploy/fetch_ui.py --to '$(UI_DIR)'

run: setup ## both services, on $(METADATA_PORT) and $(ARTIFACTS_PORT); Ctrl-C stops them
	@exec $(BIN)/python deploy/run.py

test: setup-dev tools ## everything proved, but for what test-browser and test-cluster do
	$(PYTEST) --ignore=tests/cluster --ignore=tests/browser tests

test-faults: setup-dev tools ## attacks and broken parts in their long form, of which `make test` has the short one; takes minutes
	TANDEM_FAULTS=long $(PYTEST) tests/faults

test-browser: setup-dev browser tools ## the web UI proved in Chromium; takes minutes
	$(PYTEST) tests/browser

test-cluster: setup-dev tools ## the Kubernetes manifests proved by running what they say; takes minutes
	$(PYTEST) tests/cluster

test-all: setup-dev browser tools ## what test, test-browser and test-cluster do, in one run
	$(PYTEST) tests || { status=$$?; echo $$status >.cache/tests.status; exit $$status; }

browser: # Chromium for the tests of the web UI; without it they are skipped
	@command -v chromium-headless-shell chromium chromium-browser google-chrome >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
	       && { apt-get install -qq -y --no-install-recommends chromium-headless-shell fonts-liberation \
	            || apt-get install -qq -y --no-install-recommends chromium fonts-liberation; }; } \
	  || echo "no Chromium, and it cannot be installed from here: the tests of the web UI will be skipped"

tools: # what runs in front of and beside Tandem, for tests; without it they are skipped
	@PATH="$$PATH:/usr/sbin"; for each in prometheus nginx:nginx-light caddy pgbouncer npm rclone sqlite3 pebble systemd-socket-activate:systemd; do \
	  command -v $${each%:*} >/dev/null || echo $${each#*:}; done | { mapfile -t missing; \
	  [ $${#missing[@]} = 0 ] \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	       && apt-get update -qq && apt-get install -qq -y --no-install-recommends $${missing[@]}; } \
	  || echo "no $${missing[@]}, and it cannot be installed from here: the tests that need it will be skipped"; }

picture: setup-dev ## docs/images/web-ui.png afresh, as the tests see it
	TANDEM_REQUIRE_BROWSER=1 $(BIN)/python -m pytest -q tests/browser/test_readme.py
	cp .cache/screenshots/two-hosts/readme.png docs/images/web-ui.png

prices: setup-dev ## prices of models afresh, of the MLflow that tests run with
	@$(BIN)/python deploy/prices.py

bench: setup-dev load-tools ## the same load on Tandem, its peers and the limits, to docs/benchmarks.md; takes half an hour
	$(PIP) install --quiet -c constraints.txt --group bench
	$(BIN)/python -m tests.benchmark

bench-growth: setup-dev load-tools ## the same load on 1,000 and on 100,000 runs and traces, to docs/benchmarks-growth.md; takes half an hour
	$(PIP) install --quiet -c constraints.txt --group bench
	$(BIN)/python -m tests.growth
	$(BIN)/python -m tests.growth --database sqlite --rows traces --append docs/benchmarks-growth.md

load-tools: # wrk, and nginx to compare with; there is no benchmark without them
	@PATH="$$PATH:/usr/sbin"; for each in wrk nginx:nginx-light; do \
	  command -v $${each%:*} >/dev/null || echo $${each#*:}; done | { mapfile -t missing; \
	  [ $${#missing[@]} = 0 ] \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	       && apt-get update -qq && apt-get install -qq -y --no-install-recommends $${missing[@]}; } \
	  || { echo "no $${missing[@]}, and it cannot be installed from here: apt-get install $${missing[@]}"; exit 1; }; }

check: setup-dev ## ruff, mypy --strict, import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

isolate: $(VENV)/.installed ## each wheel alone in a clean environment: --help and one request
	$(BIN)/python deploy/isolate.py

follow: setup-dev ## what the release VERSION of MLflow changes for Tandem; KEEP=1 writes its contract down instead
	@[ -n '$(VERSION)' ] || { echo "make follow VERSION=x.y.z: which release of MLflow?"; exit 2; }
	@$(BIN)/python -W ignore -m tests.contract '$(VERSION)' $(if $(KEEP),--keep)

clean: ## remove what make made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
