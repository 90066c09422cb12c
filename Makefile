# Needs Python 3.11 or later, and git only to fetch the code. `make` lists the targets.
# PYTHON=python3.12 chooses the interpreter, WORKERS=4 the number of test processes, and ARGS="..."
# goes to the command that a target runs. Where packages come from is for pip's own settings to say.

PYTHON ?= python3
WORKERS ?= 4
SEEDS ?= 1000
DAYS ?= 400
COUNT ?= 1000000
ARGS ?=

BIN := .venv/bin
PIP := pip --disable-pip-version-check
UV := uv==0.13.9

# Tests start many processes. Each would compile its imports anew.
unexport PYTHONDONTWRITEBYTECODE

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help demo test test-servers check deep lint format check-migrations crashpoints wheel \
  test-litellm check-wheel bench bench-report bench-gdpr bench-growth bench-pressure \
  bench-cost bench-publish bench-dedicated \
  bench-hooks bench-keyservice bench-people bench-screening bench-training \
  simulate mutants mutation fuzz \
  lateness docs reference changelog lock venv clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: venv ## Show the main job from end to end, with its proof
	@$(BIN)/domicile demo $(ARGS)

# One process runs all tests of a file: what they share is made once. The quick ones of unit are last.
test: venv ## Run the tests, but for those that are marked deep
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: lint test check-wheel ## Run what CI runs, in minutes; the tests build the documentation too

# Hours. What is random gets many more rounds, what is sampled in `make test` is run whole, and the
# tests themselves are tested. A failure prints the seed or the story that repeats it.
deep: venv ## Run what is random or exhaustive too: before a release
	$(BIN)/pytest -n $(WORKERS) -m deep
	HYPOTHESIS_PROFILE=deep FAULTS_KILLS=40 FAULTS_ROUNDS=100 $(BIN)/pytest -n $(WORKERS) -m '' \
	  tests/unit tests/integration/test_state_machine.py tests/faults/test_kill.py \
	  tests/faults/test_processes.py
	$(MAKE) fuzz crashpoints simulate lateness mutants mutation

# Starts Ceph, PostgreSQL and PgBouncer on loopback; fails, and says what to install, if one of them
# is not on this machine. Then the server that lies, which is ours; not if ARGS chooses tests.
test-servers: venv ## Run the tests that need real servers
	$(BIN)/pytest -m servers tests/servers $(ARGS)
	$(if $(ARGS),,$(BIN)/pytest -n $(WORKERS) -m '' tests/integration/test_s3_lies.py)

# LiteLLM's proxy and an instrumented client, as their users run them, in an environment of their own.
test-litellm: venv build/peers/.ours ## Run the tests of the hooks in the software that they are for
	$(BIN)/pytest -m peers tests/peers $(ARGS)

lint: venv ## Check the lock, style, types and architecture
	$(BIN)/$(PIP) check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: venv ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

check-migrations: venv ## Compare the migrations with the tables (part of test)
	$(BIN)/pytest tests/integration/test_migrations.py $(ARGS)

crashpoints: venv ## End every operation at every effect, and run pairs of them within each other
	@$(BIN)/python -W ignore -m tests.crashpoints $(ARGS)

wheel: venv ## Build the wheel into dist/
	@rm -rf dist
	$(BIN)/hatchling build -t wheel

# The wheel alone, with the locked versions of its dependencies, away from the source tree and from
# the caller's settings. Doctor tries the embedded server in a temporary home. As root that server
# runs as a user that is created for it: PATH has sbin. The directory that Python searches first has
# a `migrations` like that of a service, which fails if it is run.
check-wheel: wheel ## Install the wheel into an empty environment and run its doctor
	@rm -rf build/empty build/venv && mkdir -p build/empty/migrations
	@echo 'raise SystemExit("not the migrations of Domicile")' > build/empty/migrations/__init__.py
	@cp build/empty/migrations/__init__.py build/empty/migrations/env.py
	@sed -e '/^ *--hash=/d' -e 's/ *\\$$//' requirements.lock > build/constraints.txt
	@$(BIN)/python -m venv build/venv
	@build/venv/bin/$(PIP) install -qq --no-compile -c build/constraints.txt \
	  "$$(echo dist/*.whl)[embedded]"
	cd build/empty && env -i HOME="$$PWD" DOMICILE_HOME="$$PWD/home" PYTHONPATH="$$PWD" \
	  PATH=/usr/sbin:/usr/bin:/sbin:/bin ../venv/bin/domicile doctor

bench: venv build/peers/.installed ## Measure all that has a goal: half an hour; QUICK=1: in minutes
	@$(BIN)/$(PIP) install -qq --require-hashes --no-deps -r benchmarks/requirements.txt
	$(BIN)/python -m benchmarks.run $(if $(QUICK),--quick) $(ARGS)

build/peers/.installed: benchmarks/peers.txt
	@$(PYTHON) -m venv --clear build/peers
	@build/peers/bin/$(PIP) install -qq --require-hashes --no-deps -r $<
	@touch $@

build/peers/.ours: build/peers/.installed pyproject.toml regions/version.py
	@build/peers/bin/$(PIP) install -qq --no-deps --no-build-isolation -e .
	@touch $@

bench-report: venv ## Write the tables and charts of the pages from what was measured
	@$(BIN)/python -m benchmarks.report $(ARGS)

bench-gdpr: venv ## Run GDPRbench; ARGS="--records 100000 1000000": with both sizes of its paper
	@$(BIN)/$(PIP) install -qq --require-hashes --no-deps -r benchmarks/requirements.txt
	$(BIN)/python -m benchmarks.gdpr $(ARGS)

# The sizes of the pages: ARGS="--records 5000000 --tenants 100000 --fences 10000 --days 400"; hours.
bench-growth: venv ## Measure what requests cost while one thing after the other grows
	@$(BIN)/$(PIP) install -qq --require-hashes --no-deps -r benchmarks/requirements.txt
	$(BIN)/python -m benchmarks.growth $(ARGS)

bench-pressure: venv ## Measure writes under pressure; ARGS="--backlog 100000": hours
	@$(BIN)/$(PIP) install -qq --require-hashes --no-deps -r benchmarks/requirements.txt
	$(BIN)/python -m benchmarks.pressure $(ARGS)

bench-cost: venv ## Count what records ask of S3 and KMS in their life, and its price
	@$(BIN)/$(PIP) install -qq --require-hashes --no-deps -r benchmarks/requirements.txt
	$(BIN)/python -m benchmarks.bill $(ARGS)

bench-people: venv ## Measure what the rules about people cost; ARGS="--directory DIR": on a real disk
	$(BIN)/python benchmarks/people.py $(ARGS)

bench-publish: venv ## Measure how long the log takes; ARGS="--directory DIR": on a real disk
	$(BIN)/python benchmarks/publish.py $(ARGS)

bench-dedicated: venv ## Measure many dedicated tenants; ARGS="--directory DIR": on a real disk
	$(BIN)/python benchmarks/dedicated.py $(ARGS)

bench-training: venv ## Measure training beside reads; ARGS="--directory DIR": on a real disk
	$(BIN)/python benchmarks/training.py $(ARGS)

bench-screening: venv ## Measure screening beside reads; ARGS="--directory DIR": on a real disk
	$(BIN)/python benchmarks/screening.py $(ARGS)

bench-keyservice: venv ## Measure a key service against root keys in the process
	$(BIN)/python -m benchmarks.keyservice $(ARGS)

bench-hooks: venv ## Measure what each hook adds; ARGS="--directory DIR": on a real disk
	$(BIN)/python benchmarks/hooks.py $(ARGS)

simulate: venv ## Run SEEDS random scenarios, and print the first that fails
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --workers $(WORKERS) $(ARGS)

mutants: venv ## Check that the tests detect each of a list of bugs
	$(BIN)/python -m tests.mutants $(ARGS)
	$(if $(ARGS),,$(BIN)/python -W ignore -m tests.mutants.clauses)

mutation: venv ## Mutate the source, and list the mutants that no test detects
	$(BIN)/python -W ignore -m tests.mutants.generic --workers $(WORKERS) $(ARGS)

fuzz: venv ## Give each parser COUNT hostile inputs
	@$(BIN)/python -W ignore -m tests.fuzz --count $(COUNT) $(ARGS)

lateness: venv ## Simulate DAYS days of failures, and print how late each deletion was
	$(BIN)/python -m tests.lateness --days $(DAYS) $(ARGS)

docs: venv ## Build the documentation site into site/, without the network
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo 'To read it: $(BIN)/python -m http.server -d site, then open http://localhost:8000'

reference: venv ## Write the generated pages that are checked in: errors and settings
	@$(BIN)/python -m docs.hooks

changelog: venv ## Print what is in the next release
	@$(BIN)/python changelog/collect.py

lock: ## Write requirements.lock; UPGRADE=1 takes newer versions
	@$(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/$(PIP) install -qq $(UV)
	.venv-lock/bin/uv pip compile pyproject.toml --quiet --all-extras --group dev --group docs \
	  --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) -o requirements.lock
	.venv-lock/bin/uv pip compile benchmarks/peers.in pyproject.toml --extra embedded --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header $(if $(UPGRADE),--upgrade) -o benchmarks/peers.txt

clean: ## Remove all that make and the tools made here
	rm -rf .venv .venv-lock build dist site .hypothesis .import_linter_cache .mypy_cache \
	  .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv: .venv/.installed

.venv/.installed: .venv/.dependencies pyproject.toml regions/version.py
	@$(BIN)/$(PIP) install -qq --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dependencies: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Domicile needs Python 3.11 or later: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@echo 'Making .venv from requirements.lock. The first time this takes a minute or two.'
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/$(PIP) install -qq --no-compile --require-hashes -r requirements.lock
	@touch $@
