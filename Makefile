# Every target sets up what it needs; `make` alone lists them. Variables given on
# the command line (HOST, PORT, PYTHON) reach the programs as environment variables.

ARGS ?=
BIOME = npx --yes @biomejs/biome@2.6.8
PYTHON_IN_VENV = .venv/bin/python
PIP_INSTALL = $(PYTHON_IN_VENV) -m pip install --quiet --disable-pip-version-check
# A file stays in one process, which starts the servers that its tests share.
SIDE_BY_SIDE = --numprocesses=auto --maxprocesses=4 --dist=loadfile

# Runs a command and shows what it printed only when it failed.
quietly = output=$$($(1) 2>&1) || { echo "$$output"; exit 1; }

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run dev test bench lint format screenshots services

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-13s%s\n", $$1, $$2}' Makefile

run: .venv/run.stamp  ## Serve the portal on http://127.0.0.1:8000 (HOST= and PORT= change it)
	@$(PYTHON_IN_VENV) -m portal.serve

dev: .venv/run.stamp  ## Serve it with debug pages, and again whenever a file changes
	@$(PYTHON_IN_VENV) -m portal.serve --dev

test: services  ## Run the whole suite (ARGS="-k limits" goes to pytest)
	@$(PYTHON_IN_VENV) -m pytest $(SIDE_BY_SIDE) $(ARGS)

bench: services  ## Measure the portal beside other servers (ARGS=--quick: two minutes)
	@scripts/setup bench
	@$(PYTHON_IN_VENV) -m bench $(ARGS)

lint: .venv/dev.stamp  ## Check style, types, import rules, templates and spelling
	@$(call quietly,.venv/bin/ruff check .)
	@$(call quietly,.venv/bin/ruff format --check .)
	@$(call quietly,.venv/bin/mypy)
	@$(call quietly,.venv/bin/lint-imports)
	@$(call quietly,.venv/bin/djlint --check --lint templates)
	@$(call quietly,.venv/bin/codespell)
	@if command -v npx >/dev/null; then $(call quietly,$(BIOME) check static/css static/js); \
	else echo "CSS and JavaScript are not checked, since there is no npx here."; fi

format: .venv/dev.stamp  ## Rewrite the code in the house style
	@.venv/bin/ruff check --fix --quiet . || true
	@.venv/bin/ruff format --quiet .
	@.venv/bin/djlint --reformat --quiet templates || true
	@if command -v npx >/dev/null; then $(BIOME) check --write static/css static/js; fi

screenshots: services  ## Take the pictures of the pages for the README
	@$(PYTHON_IN_VENV) -m tests.browser.screenshots

services: .venv/dev.stamp
	@scripts/setup tests

.venv/pyvenv.cfg:
	@scripts/setup python

.venv/run.stamp: requirements.txt .venv/pyvenv.cfg
	@echo "model-portal: installing the pinned libraries into .venv"
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt requirements.txt .venv/pyvenv.cfg
	@echo "model-portal: installing the pinned libraries and tools into .venv"
	@$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@
