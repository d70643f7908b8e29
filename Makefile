# Every habit of the project is one command. `make help` lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

VENV := $(CURDIR)/.venv
PY := $(VENV)/bin/python

# The first Python on the path that is new enough and can make a virtual environment.
PYTHON ?= $(shell for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$candidate -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo $$candidate; break; }; done)

# COMPILED=1 runs a target on the wheel that mypyc compiled, in build/compiled, instead of on the sources.
COMPILED ?=
TREE := $(if $(COMPILED),$(CURDIR)/build/compiled,$(CURDIR))
RUN := cd $(TREE) && HOMECELL_COMPILED=$(COMPILED) PYTHONPATH=$(TREE) $(PY)
READY := $(if $(COMPILED),build/compiled/.ready,.venv/.test-ready)

# What runs beside each other is shown in turn, each part when it has ended (make 4 or newer can).
ONE_AFTER_THE_OTHER := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

# Nothing that these start is compiled: once is enough.
NOT_COMPILED := --ignore-glob='*/test_cassandra*'

PIP := $(PY) -m pip --disable-pip-version-check install --quiet
PACKAGE := pyproject.toml setup.py

##@ Use
.PHONY: demo
demo: $(if $(COMPILED),$(READY),.venv/.run-ready) ## run it all: two edges, four cells, traffic (STORE=cassandra; DEMO_SECONDS=20: as a self-check; DEMO_PORT=8080)
	@$(RUN) -m bench.demo $(if $(DEMO_SECONDS),--check-for $(DEMO_SECONDS)) $(if $(DEMO_PORT),--port $(DEMO_PORT)) \
		$(if $(STORE),--store $(STORE)) --directory $(CURDIR)/.demo

##@ Check
.PHONY: test check format
test: $(READY) ## every test, slow ones and real servers included; in two halves beside each other
	@echo "Two halves run beside each other; each is shown when it has ended, after some minutes ..."
	@$(MAKE) --no-print-directory --jobs=2 $(ONE_AFTER_THE_OTHER) test-edge test-rest

.PHONY: test-edge test-rest
test-edge: $(READY)
	@$(RUN) -m pytest $(if $(COMPILED),$(NOT_COMPILED)) tests/proxy

test-rest: $(READY)
	@$(RUN) -m pytest $(if $(COMPILED),$(NOT_COMPILED)) --ignore=tests/proxy

check: .venv/.test-ready ## lint, types, import rules, fast tests; under a minute
	@$(MAKE) --no-print-directory --jobs=2 $(ONE_AFTER_THE_OTHER) lint fast-edge fast-rest

.PHONY: lint fast-edge fast-rest
lint: .venv/.test-ready
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

fast-edge: .venv/.test-ready
	@$(PY) -m pytest -m "not slow" tests/proxy

fast-rest: .venv/.test-ready
	@$(PY) -m pytest -m "not slow" --ignore=tests/proxy

format: .venv/.test-ready ## put the sources into the project's format
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

##@ Measure
.PHONY: load bench bench-lookup
load: $(READY) ## people-like traffic by locust against the demo (UI=1: its web page; LOAD_SECONDS=60)
	@$(RUN) -m bench.load $(if $(UI),--ui) $(if $(LOAD_SECONDS),--seconds $(LOAD_SECONDS)) \
		$(if $(DEMO_PORT),--port $(DEMO_PORT)) --directory $(CURDIR)/.demo

bench: .venv/.bench-ready $(if $(COMPILED),build/compiled/.ready) ## CPU per request beside nginx, HAProxy and Envoy (COMPILED=1: both ways)
	@$(PY) -m bench.peers $(if $(COMPILED),--compiled)

bench-lookup: .venv/.bench-ready $(if $(COMPILED),$(READY)) ## the lookup beside its targets, on Redis and Cassandra of its own (ROWS="redis feed")
	@$(RUN) -m bench.lookup --out $(CURDIR)/bench/results $(ROWS)

##@ Compile
.PHONY: compiled test-compiled
compiled: build/compiled/.ready ## the hot modules compiled by mypyc, in build/compiled (needs a C compiler)

test-compiled: ## every test, on the compiled modules
	@$(MAKE) --no-print-directory test COMPILED=1

##@ Keep
.PHONY: lock up down clean help
lock: ## renew the hash-locked requirements (needs uv)
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: pipx install uv, or UV=/where/it/is" >&2; exit 1; }
	$(LOCK) --all-extras -o requirements/bench.txt
	$(LOCK) --extra test --extra dev --extra load -c requirements/bench.txt -o requirements/test.txt
	$(LOCK) -c requirements/bench.txt -o requirements/run.txt

up: .venv/.run-ready ## start Redis and Cassandra without Docker, on loopback (needs redis-server, Java 17, Maven)
	@$(PY) -m bench.servers up

down: .venv/.run-ready ## end them and drop what they hold
	@$(PY) -m bench.servers down

clean: ## remove everything that these commands made; ends the servers of `make up`
	@if [ -x $(PY) ] && [ -d .run/servers ]; then $(PY) -m bench.servers down; fi
	rm -rf .venv .run build dist .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find proxy lookup tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' \
		$(firstword $(MAKEFILE_LIST))

# What the targets above stand on. A stamp in .venv says which lock was installed; a changed lock makes it old.
UV ?= uv
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	pyproject.toml requirements/build.in

$(PY):
	@test -n "$(PYTHON)" || { echo "Home Cell needs Python 3.11 or newer with its venv module (Debian: apt install python3-venv)." \
		"Or say where it is: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV)

.venv/.%-ready: requirements/%.txt $(PACKAGE) | $(PY)
	@echo "Installing $< from the package index; this may take some minutes ..."
	@$(PIP) --require-hashes -r $<
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# The wheel as anybody would build it, installed beside copies of what is not in it: tests, bench, configs, docs.
SOURCES := $(shell find proxy lookup -name '*.py')
AROUND := $(filter-out proxy lookup build dist %.egg-info,$(wildcard * .ci .github))
build/compiled/.ready: $(SOURCES) $(PACKAGE) $(shell find $(AROUND) -type f -not -path '*/__pycache__/*') | .venv/.test-ready
	@command -v cc >/dev/null || { echo "make compiled needs a C compiler (Debian: apt install gcc python3-dev)." >&2; exit 1; }
	@rm -rf build
	@echo "Compiling the hot modules ..."
	@HOMECELL_COMPILE=1 $(PIP) --no-deps --no-build-isolation --target build/compiled .
	@ls build/compiled/homecell__mypyc*.so >/dev/null || { echo "mypyc or the C compiler failed: HOMECELL_COMPILE=1 pip install -v . says why." >&2; exit 1; }
	@cp -r $(AROUND) build/compiled/
	@touch $@
