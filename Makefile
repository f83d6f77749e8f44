# make serve      run the service here (a first run installs it into .venv; no database needed)
# make test       all checks and tests; PYTEST_ARGS="-k ask -x" passes arguments on to pytest
# make lint       ruff, and the layers of the imports; a part of `make test`
# make typecheck  mypy; a part of `make test`
# make coverage   the tests, with the lines that they do not reach
# make accept     the long proofs: kills, chaos, optimisation quality
# make browser    the admin, the plots and the dashboard in a real browser (needs Chromium)
# make bench      measure ours against Optuna alone, 25 minutes; BENCH_ARGS=--quick
# make dist       build the packages of the service and of its clients into dist/
# make typescript  install the tools of the TypeScript client, and compile it (test does it too)
# make typescript-types  write its types anew, after a change of the API
# make torch      install PyTorch, for the `gp` sampler (serve and test do it too)
# make lock       derive requirements/*.txt from pyproject.toml; LOCK_ARGS=--upgrade takes the newest
# make format     let ruff fix and format the code
# make clean      remove what the above made, except the data in .data

.DEFAULT_GOAL := help
.PHONY: help serve test lint typecheck coverage accept browser bench dist dev torch try-torch \
	typescript typescript-types try-typescript lock format clean

VENV := .venv
PY := $(VENV)/bin/python
# The requirements are complete and hashed, and wheels exist for Python 3.11 to 3.14 on Linux and
# macOS, so nothing is ever compiled, and no package's own code runs at installation.
PIP := $(PY) -m pip --disable-pip-version-check --no-input install --quiet
PIP_LOCKED := $(PIP) --require-hashes --only-binary :all:

# The first of these that is new enough, and able to make a virtual environment. Deferred (?=), so
# that it is looked for only when .venv is made.
IS_SUITABLE := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3; do \
	if $$p -c '$(IS_SUITABLE)' 2>/dev/null; then echo $$p; break; fi; done)

# On Linux the registry's build of PyTorch needs gigabytes of CUDA: `+cpu` names the build from
# PyTorch's own index, and no other can be installed by mistake. Elsewhere there is only one build.
# Its dependencies are in the requirements.
TORCH := 2.13.0
TORCH_BUILD := $(TORCH)$(if $(filter Linux,$(shell uname -s)),+cpu)
TORCH_INDEX := https://download.pytorch.org/whl/cpu
HAS_TORCH := $(VENV)/.torch-$(TORCH)

TYPESCRIPT := clients/typescript
HAS_NPM_PACKAGES := $(TYPESCRIPT)/node_modules/.installed

PYTEST_ARGS ?=
BENCH_ARGS ?=
# Processes of pytest-xdist; 0 runs the tests in one process, as a debugger wants it.
TEST_PROCESSES ?= 2
LOCK_ARGS ?=

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# `exec` makes the server the process that signals reach.
serve: $(VENV)/.serve try-torch
	@exec $(PY) manage.py serve

test: lint typecheck
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(PY) -m pytest -n $(TEST_PROCESSES) --dist worksteal $(PYTEST_ARGS)

lint: dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/lint-imports

typecheck: dev
	$(PY) -m mypy

coverage: dev
	$(PY) -m pytest -n $(TEST_PROCESSES) --dist worksteal --cov --cov-report=term-missing:skip-covered $(PYTEST_ARGS)

accept: dev
	$(PY) -m pytest -m accept -n 0 -s $(PYTEST_ARGS)

browser: dev $(VENV)/.browser
	$(PY) -m pytest -m browser -n 0 tests/browser $(PYTEST_ARGS)

bench: dev $(VENV)/.bench
	$(PY) -m bench $(BENCH_ARGS)

# Without isolation: the tools are those of requirements/dev.txt. Dated by the last commit, so that
# building it again yields the same files. The TypeScript client needs npm.
dist: $(VENV)/.dev
	rm -rf dist
	epoch=$$(git log -1 --format=%ct) \
	&& for project in . $(dir $(wildcard clients/*/pyproject.toml)); do \
		SOURCE_DATE_EPOCH=$$epoch $(PY) -m build --no-isolation --outdir dist $$project || exit; \
	done
	@! command -v npm >/dev/null || $(MAKE) --silent $(HAS_NPM_PACKAGES)
	@command -v npm >/dev/null || { echo "warning: npm is not installed: dist has no TypeScript \
	client" >&2; exit 0; }; \
	cd $(TYPESCRIPT) && npm pack --pack-destination ../../dist

format: dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# A stamp is touched last, so that an interrupted step is done again.
$(VENV)/.made:
	@'$(PYTHON)' -c '$(IS_SUITABLE)' 2>/dev/null || { echo "error: no Python from 3.11 to 3.14 \
	with its venv module found (Debian and Ubuntu: apt install python3-venv); \
	name one with: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	'$(PYTHON)' -m venv --clear $(VENV)
	@touch $@

$(VENV)/.serve: $(VENV)/.made requirements/serve.txt
	@echo "Installing the service into $(VENV) (about a minute)"
	$(PIP_LOCKED) -r requirements/serve.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.serve requirements/dev.txt
	@echo "Installing the tools for development into $(VENV)"
	$(PIP_LOCKED) -r requirements/dev.txt
	@touch $@

$(VENV)/.browser: $(VENV)/.dev requirements/browser.txt
	@echo "Installing Playwright into $(VENV)"
	$(PIP_LOCKED) -r requirements/browser.txt
	@touch $@

$(VENV)/.bench: $(VENV)/.dev requirements/bench.txt
	@echo "Installing the peers and the plots of the measurements into $(VENV)"
	$(PIP_LOCKED) -r requirements/bench.txt
	@touch $@

$(HAS_TORCH): $(VENV)/.serve
	@echo "Installing PyTorch $(TORCH_BUILD) into $(VENV) (about 200 MB)"
	$(PIP) --no-deps --only-binary :all: --retries 1 --timeout 15 \
		--extra-index-url $(TORCH_INDEX) torch==$(TORCH_BUILD)
	@touch $@

# Without PyTorch, the tests of the sampler gp are skipped; without npm, those of the TypeScript client.
dev: $(VENV)/.dev try-torch try-typescript

torch: $(HAS_TORCH)
	@rm -f $(VENV)/.torch-failed

# Only the `gp` sampler needs PyTorch: where its index cannot be reached, the service runs without.
try-torch: $(VENV)/.serve
	@[ -e $(HAS_TORCH) ] || [ -e $(VENV)/.torch-failed ] || $(MAKE) --no-print-directory torch \
		|| touch $(VENV)/.torch-failed
	@[ -e $(HAS_TORCH) ] || echo "warning: PyTorch is not installed: the sampler gp will not \
	work; \`make torch\` tries again" >&2

$(HAS_NPM_PACKAGES): $(TYPESCRIPT)/package.json $(TYPESCRIPT)/package-lock.json
	@echo "Installing the tools of the TypeScript client (60 packages, about 40 MB)"
	cd $(TYPESCRIPT) && npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=15000
	@touch $@

typescript: $(HAS_NPM_PACKAGES)
	cd $(TYPESCRIPT) && npm run --silent build:tests
	@rm -f $(VENV)/.npm-failed

typescript-types: $(VENV)/.serve $(HAS_NPM_PACKAGES)
	mkdir -p $(TYPESCRIPT)/build
	$(PY) manage.py spectacular --format openapi-json --file $(TYPESCRIPT)/build/openapi.json
	cd $(TYPESCRIPT) && npm run --silent generate build/openapi.json src/openapi.gen.ts

# Only the tests of the TypeScript client need them.
try-typescript: $(VENV)/.made
	@if command -v npm >/dev/null && [ ! -e $(VENV)/.npm-failed ]; then \
		$(MAKE) --silent $(HAS_NPM_PACKAGES) || touch $(VENV)/.npm-failed; fi
	@[ -e $(HAS_NPM_PACKAGES) ] || echo "warning: the tools of the TypeScript client are not \
	installed: its tests will be skipped; \`make typescript\` tries again" >&2

# uv comes into an environment of its own, which is gone afterwards.
UV_VERSION := 0.13.9
LOCK := pip compile pyproject.toml --extra gp --no-emit-package torch --universal \
	--fork-strategy fewest --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --custom-compile-command 'make lock' --quiet $(LOCK_ARGS)
lock:
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT \
	&& '$(PYTHON)' -m venv "$$tools" \
	&& "$$tools/bin/python" -m pip install --quiet uv==$(UV_VERSION) \
	&& uv="$$tools/bin/uv" && set -x \
	&& "$$uv" $(LOCK) -o requirements/lock.txt \
	&& "$$uv" $(LOCK) -c requirements/lock.txt --extra embedded -o requirements/serve.txt \
	&& "$$uv" $(LOCK) -c requirements/serve.txt --extra embedded --group dev \
		-o requirements/dev.txt \
	&& "$$uv" $(LOCK) -c requirements/dev.txt --extra embedded --group dev --group browser \
		-o requirements/browser.txt \
	&& "$$uv" $(LOCK) -c requirements/dev.txt --extra embedded --group dev --group bench \
		-o requirements/bench.txt

clean:
	find staticfiles -mindepth 1 ! -name .gitkeep -delete
	rm -rf $(TYPESCRIPT)/node_modules $(TYPESCRIPT)/build $(TYPESCRIPT)/dist
	rm -rf $(VENV) .data-of-tests .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
