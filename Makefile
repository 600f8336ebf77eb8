# Everything starts from nothing: each verb makes what it needs, and does so once.
#
#   make run [PORT=11112] [OUT=incoming]   receive DICOM objects
#   make test                              test everything
#
PYTHON ?= python3
PORT ?= 11112
OUT ?= incoming
WORKERS ?= 2
SECONDS ?= 300
VERSION ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEVELOPED := $(VENV)/.developed
FUZZED := $(VENV)/.fuzzed
TOOLED := $(VENV)/.tooled
WHEELED := $(VENV)/.wheeled
# A change to what is compiled, or to how, compiles anew.
COMPILED := $(addprefix src/,$(addsuffix .py,$(shell grep -o '"storescp\.[a-z0-9_.]*"' src/storescp/compilation.py | tr -d '"' | tr . /)))
BUILDING := pyproject.toml scripts/hatch_build.py scripts/compile_modules.py src/storescp/compilation.py \
    $(COMPILED) $(wildcard $(addsuffix *.pxd,$(sort $(dir $(COMPILED)))))

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help install run test check style format types imports tests coverage fuzz bench wheels docs changelog clean
.DEFAULT_GOAL := help

help:
	@echo "make install    leave a working $(BIN)/storescp"
	@echo "make run        receive on PORT ($(PORT)) into the directory OUT ($(OUT))"
	@echo "make test       style, types, imports and tests, with the tools they need"
	@echo "                (Debian packages; SYSTEM_TOOLS=no installs none)"
	@echo "make style      ruff check, ruff format --check        (make format rewrites)"
	@echo "make types      mypy --strict"
	@echo "make imports    the layers, by import-linter"
	@echo "make tests      pytest; PYTEST_ARGS='-k naming' picks, WORKERS=$(WORKERS) run at a time"
	@echo "make coverage   pytest with branch coverage, one process"
	@echo "make fuzz       SECONDS=$(SECONDS): fuzz every target in turn, guided by coverage"
	@echo "make bench      measure against the peers; BENCH_ARGS=--quick for a first look"
	@echo "make wheels     wheels for each Python from 3.11 that is here, and the sdist, into dist/"
	@echo "make docs       write the pages that are made from the code, check all links"
	@echo "make changelog  VERSION=x.y.z: gather changes/ into CHANGELOG.md"
	@echo "make clean      remove what these verbs made, but not OUT"

install: $(INSTALLED)

run: $(INSTALLED)
	@mkdir -p -- "$(OUT)"
	exec $(BIN)/python -m storescp --verbose --output-directory "$(OUT)" $(PORT)

test: $(DEVELOPED) $(TOOLED)
	$(MAKE) --no-print-directory check tests

check: style imports types

style: $(DEVELOPED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(DEVELOPED)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(DEVELOPED)
	$(BIN)/mypy

imports: $(DEVELOPED)
	PYTHONPATH=src $(BIN)/lint-imports --no-cache

tests: $(DEVELOPED)
	$(BIN)/python -m pytest -n $(WORKERS) -rs $(PYTEST_ARGS)
	@# What is compiled runs as plain Python, too.
	$(BIN)/python -m pytest -n $(WORKERS) -rs --pure tests/dataset tests/fuzz $(PYTEST_ARGS)

coverage: $(DEVELOPED)
	$(BIN)/python -m pytest -n $(WORKERS) --pure --cov=storescp --cov-branch --cov-report=term-missing:skip-covered $(PYTEST_ARGS)

fuzz: $(DEVELOPED) $(FUZZED)
	PYTHONPATH=src:. $(BIN)/python -m tests.fuzz.campaign --seconds $(SECONDS) $(FUZZ_ARGS)

bench: $(DEVELOPED) $(TOOLED)
	$(BIN)/python -m bench $(BENCH_ARGS)

wheels: $(INSTALLED) $(WHEELED)
	scripts/make-wheels $(BIN)/python dist

docs: $(DEVELOPED)
	$(BIN)/python scripts/docs.py

changelog: $(DEVELOPED)
	$(BIN)/python scripts/changelog.py $(VERSION)

clean:
	rm -rf $(VENV) .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist
	find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +
	find src -name '*.so' -delete

$(INSTALLED): $(BUILDING) scripts/make-venv scripts/build-tools scripts/apt-install
	scripts/make-venv $(PYTHON) $(VENV)
	@scripts/build-tools $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@$(BIN)/python -m storescp --version | grep '^Data sets' | \
	    sed 's|plain Python.*|&; rm $@ \&\& STORESCP_BUILD=compiled make install says why|'
	@touch $@

# Dependency groups (PEP 735) need pip 25.1.
$(DEVELOPED): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group dev
	@# pynetdicom, a client of the tests, brings a command of the same name: ours has the last word.
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall --editable .
	@touch $@

# There are no wheels of atheris for every Python: only who fuzzes needs it.
$(FUZZED): $(DEVELOPED)
	$(BIN)/python -m pip install --quiet --group fuzz
	@touch $@

$(WHEELED): $(INSTALLED) pyproject.toml
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group wheels
	@touch $@

# What could not be installed is tried again the next time; the tests that need it say so.
$(TOOLED): scripts/system-tools scripts/apt-install $(INSTALLED)
	@if scripts/system-tools; then touch $@; fi
