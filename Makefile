# Two commands matter: `make run` and `make test`. Each sets itself up from the lock files. Python 3.11 to 3.13, Node 20, make
# (3.81, which macOS has, is enough: recipes keep to what both systems ship); the tests of a whole stack also need Chromium.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UP_TO_DATE := $(VENV)/.up-to-date
LITELLM_UP_TO_DATE := .venv-litellm/.up-to-date
CHECKOV_UP_TO_DATE := .venv-checkov/.up-to-date
MUTANTS_UP_TO_DATE := .venv-mutants/.up-to-date
SCHEMATHESIS_UP_TO_DATE := .venv-schemathesis/.up-to-date
AUDIT_UP_TO_DATE := .venv-audit/.up-to-date
NODE_UP_TO_DATE := tests/node_modules/.package-lock.json
VENDOR := layers/pages/pancake_pages/static/vendor
VENDOR_UP_TO_DATE := $(VENDOR)/.up-to-date
RUNTIME ?= python3.13
ARCHITECTURE ?= arm64
# One more than 2 cores: tests wait for timeouts, and for the local stack.
TEST_WORKERS ?= 3
FALLBACK := $(addprefix tests/integration/, core/test_races.py core/test_crashes.py core/test_one_id_twice.py webhooks/test_crashes.py webhooks/test_lost_wakeups.py) -k "not five_thousand"
SOURCES := clients examples layers/pages layers/shared functions local tools tests
export SAM_CLI_TELEMETRY := 0
# Tests and `make bench` fork processes; macOS would end them when they touch what is written in Objective-C.
export OBJC_DISABLE_INITIALIZE_FORK_SAFETY := YES
# Python may keep its byte code, whatever the shell says: the stack and the tests start hundreds of Pythons.
export PYTHONDONTWRITEBYTECODE :=

# What a target needs is made side by side: environments wait for what they fetch.
MAKEFLAGS += --jobs=4

.DEFAULT_GOAL := help
.PHONY: help run demo screenshots test fallback e2e walks outages hangs fuzz bulk bench histories mutants cold check audit setup lock format openapi access observability costs scale build deploy clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-16s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(UP_TO_DATE) $(VENDOR_UP_TO_DATE) ## Run the whole stack here (PORT=8000; KEEP=1 keeps the data of the last run)
	@exec env $(if $(KEEP),KEEP_DATA=$(KEEP)) $(BIN)/python -m local

demo: $(UP_TO_DATE) $(VENDOR_UP_TO_DATE) ## Give the stack that runs here a demo month: 30 customers (starts one where none runs)
	@exec $(BIN)/python -m local.demo $(ARGS)

screenshots: $(UP_TO_DATE) $(VENDOR_UP_TO_DATE) $(NODE_UP_TO_DATE) ## Take the pictures of docs/pages.md, of a stack that has had `make demo`
	PYTHONPATH=layers/shared $(BIN)/python -m tests.e2e.shoot

test: $(UP_TO_DATE) $(VENDOR_UP_TO_DATE) $(NODE_UP_TO_DATE) ## Run the tests, but for those of a whole stack (ARGS="-k holds" for some of them)
	@$(BIN)/python -m tests.support.byte_code
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadscope --ignore=tests/e2e $(ARGS)

e2e: $(UP_TO_DATE) $(VENDOR_UP_TO_DATE) $(LITELLM_UP_TO_DATE) $(SCHEMATHESIS_UP_TO_DATE) $(NODE_UP_TO_DATE) ## Run the tests of a whole stack: over HTTP, in a browser, with LiteLLM and the SDKs (a quarter of an hour; ARGS="-k pages" for some)
	@$(BIN)/python -m tests.support.chromium >/dev/null
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadscope tests/e2e $(ARGS)

fallback: $(UP_TO_DATE) $(NODE_UP_TO_DATE) ## Run tests of races, crashes, holds and webhooks on the DynamoDB of machines without Dynoxide (a minute)
	TESTS_DYNAMODB=ministack $(BIN)/python -m pytest -n 2 $(FALLBACK) $(ARGS)

walks: $(UP_TO_DATE) $(NODE_UP_TO_DATE) ## Run the long random walks of units and money (half an hour)
	$(BIN)/python -m pytest -m load tests/integration/overage $(ARGS)

outages: $(UP_TO_DATE) $(NODE_UP_TO_DATE) ## Run many busy days with outages and lost webhooks against their twins (ten minutes)
	$(BIN)/python -m pytest -m load tests/integration/reconciliation $(ARGS)

histories: $(UP_TO_DATE) ## Run every history of up to HISTORY_EVENTS=6 moves (4 where all kinds are mixed) in every order, and HISTORY_SEEDS=10000 random lives (about an hour; HISTORY_EVENTS=4 HISTORY_SEEDS=500: minutes)
	$(BIN)/python -m pytest -n 2 -m load tests/unit/webhooks $(ARGS)

mutants: $(MUTANTS_UP_TO_DATE) ## Change the domain in one place at a time: do the fast tests notice? (ONLY=standing for a part; an hour on 2 cores)
	.venv-mutants/bin/python -m tools.mutants --only "$(ONLY)" $(ARGS)

hangs: $(UP_TO_DATE) $(VENDOR_UP_TO_DATE) $(NODE_UP_TO_DATE) ## Run every function while all that it calls hangs, fails, drips or resets (ten minutes)
	$(BIN)/python -m pytest -m load tests/integration/handlers/test_answers_in_time.py tests/integration/handlers/test_one_in_trouble.py $(ARGS)

bulk: $(UP_TO_DATE) $(VENDOR_UP_TO_DATE) $(NODE_UP_TO_DATE) ## Run 100,000 bulk events of one customer and tell their rate, and forwarding over its own stack (ten minutes)
	$(BIN)/python -m pytest -m load tests/integration/handlers tests/e2e $(ARGS)

bench: $(UP_TO_DATE) $(VENDOR_UP_TO_DATE) $(LITELLM_UP_TO_DATE) $(NODE_UP_TO_DATE) ## Measure every figure of docs/performance.md beside its floor or peer (about a quarter of an hour; PARTS="warm cold counts rates growth peers first" for some; REDIS_URL)
	PYTHONPATH=layers/shared:layers/pages $(BIN)/python -m tests.load.bench $(PARTS) $(ARGS)

fuzz: $(UP_TO_DATE) $(SCHEMATHESIS_UP_TO_DATE) ## Send requests made from docs/openapi.json to the stack here (API='{"api_url": ..., "api_key": ...}' for a running one; EXAMPLES=20 SECONDS=900)
	PYTHONPATH=layers/shared $(BIN)/python -m tools.fuzz $(if $(API),--api '$(API)') $(if $(EXAMPLES),--examples $(EXAMPLES)) $(if $(SECONDS),--seconds $(SECONDS))

check: $(UP_TO_DATE) $(CHECKOV_UP_TO_DATE) $(NODE_UP_TO_DATE) ## Run every check that is not a test
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	PYTHONPATH=layers/shared:layers/pages $(BIN)/lint-imports --no-cache
	$(BIN)/cfn-lint template.yaml observability.yaml
	AWS_DEFAULT_REGION=us-east-1 $(BIN)/sam validate --lint
	.venv-checkov/bin/checkov --config-file .checkov.yaml
	$(BIN)/python -m tools.lock check
	PYTHONPATH=layers/shared $(BIN)/python -m tools.openapi --check
	PYTHONPATH=layers/shared $(BIN)/python -m tools.access --check
	PYTHONPATH=layers/shared $(BIN)/python -m tools.observability --check
	PYTHONPATH=layers/shared $(BIN)/python -m tools.costs --check
	PYTHONPATH=layers/shared $(BIN)/python -m tests.load.scale --check
	PYTHONPATH=layers/shared:layers/pages $(BIN)/python -m tests.load.bench --check

audit: $(UP_TO_DATE) $(AUDIT_UP_TO_DATE) ## Ask for known advisories about what the locks name (needs the registries' advisories; says so where they cannot be had)
	$(BIN)/python -m tools.audit

setup: $(UP_TO_DATE) $(VENDOR_UP_TO_DATE) $(LITELLM_UP_TO_DATE) $(CHECKOV_UP_TO_DATE) $(SCHEMATHESIS_UP_TO_DATE) $(AUDIT_UP_TO_DATE) $(NODE_UP_TO_DATE) ## Install what the lock files name

lock: $(UP_TO_DATE) ## Resolve the dependencies of pyproject.toml and tests/package.json anew
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tools.lock write
	npm install --prefix tests --package-lock-only
	npm install --prefix layers/pages --package-lock-only

format: $(UP_TO_DATE) ## Format the code and sort its imports
	$(BIN)/ruff check --select I --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

openapi: $(UP_TO_DATE) ## Write docs/openapi.json from the table of routes and the wire models
	PYTHONPATH=layers/shared $(BIN)/python -m tools.openapi

access: $(UP_TO_DATE) ## Write the tables of docs/access.md from the table of routes
	PYTHONPATH=layers/shared $(BIN)/python -m tools.access

observability: $(UP_TO_DATE) ## Write observability.yaml and the runbook of alarms from tools/alarms.py
	PYTHONPATH=layers/shared $(BIN)/python -m tools.observability

costs: $(UP_TO_DATE) ## Write docs/costs.md from tools/costs.py
	PYTHONPATH=layers/shared $(BIN)/python -m tools.costs

scale: $(UP_TO_DATE) ## Simulate a million customers, and one busy one, on AWS's rules: print the first bounds, write docs/scale.md
	PYTHONPATH=layers/shared $(BIN)/python -m tests.load.scale

build: $(UP_TO_DATE) $(VENDOR_UP_TO_DATE) ## Build for AWS (RUNTIME=python3.13 ARCHITECTURE=arm64)
	$(BIN)/python -m tools.build --runtime $(RUNTIME) --architecture $(ARCHITECTURE)

cold: $(UP_TO_DATE) $(VENDOR_UP_TO_DATE) ## Measure what a cold start of each function costs here, over boto3's own (FUNCTIONS="quota_check", RUNS=21)
	$(BIN)/python -m tools.cold $(if $(RUNS),--runs $(RUNS)) $(FUNCTIONS)

deploy: build ## Deploy to AWS without a question (STACK=name MODE=test|prod; DRY=1 only checks)
	$(BIN)/python -m tools.deploy --stack "$(STACK)" --mode "$(MODE)" $(if $(DRY),--dry-run)

clean: ## Remove everything that the other targets made
	rm -rf $(VENV) .venv-litellm .venv-checkov .venv-mutants .venv-schemathesis .venv-audit .mutants tests/node_modules $(VENDOR) .aws-sam .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# uv installs in seconds. Where it cannot (a mirror that only pip is told of), pip does, from the same pins and hashes.
$(UP_TO_DATE): requirements-dev.txt requirements-bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "Python 3.11, 3.12 or 3.13 is needed; set PYTHON=/path/to/one" >&2; exit 1; }
	@$(PYTHON) tools/environment.py $(VENV) || $(PYTHON) -m venv $(VENV) \
		|| { echo "Python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r requirements-bootstrap.txt
	$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements-dev.txt \
		|| $(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-dev.txt
	@touch $@

# A tool that wants other versions of what we use has an environment of its own: see LOCKS in tools/lock.py.
.venv-%/.up-to-date: requirements-%.txt $(UP_TO_DATE)
	@$(PYTHON) tools/environment.py .venv-$* || $(PYTHON) -m venv .venv-$*
	$(BIN)/uv pip sync --quiet --require-hashes --python .venv-$*/bin/python requirements-$*.txt \
		|| .venv-$*/bin/python -m pip install --quiet --no-deps --require-hashes -r requirements-$*.txt
	@touch $@

$(NODE_UP_TO_DATE): tests/package.json tests/package-lock.json
	@command -v npm >/dev/null || { echo "Node 20 with npm is needed for the tests; on Debian: apt-get install npm" >&2; exit 1; }
	npm ci --silent --prefix tests
	@touch $@

# What browsers load of others' work, by lock: the layer of the pages carries these files, and no folder of npm's.
$(VENDOR_UP_TO_DATE): layers/pages/package.json layers/pages/package-lock.json
	@command -v npm >/dev/null || { echo "Node 20 with npm is needed; on Debian: apt-get install npm" >&2; exit 1; }
	npm ci --silent --prefix layers/pages
	mkdir -p $(VENDOR)
	cp layers/pages/node_modules/chart.js/dist/chart.umd.min.js $(VENDOR)/chart.js
	cp layers/pages/node_modules/htmx.org/dist/htmx.min.js $(VENDOR)/htmx.js
	rm -rf layers/pages/node_modules
	@touch $@
