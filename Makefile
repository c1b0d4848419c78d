# Two commands do everything: `make demo` and `make test`. The rest is for those who change things.
#
#   PYTHON=python3.12      another interpreter for the virtual environment
#   TORCH_INDEX=ADDRESS    a package index with CPU builds of torch, where the default index has
#                          none for this platform (only asked on a machine without a GPU)
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
# a worker a core and one more, since many tests wait for processes; a file stays with one worker,
# since its tests share what is slow to make; the order is that of tests/conftest.py
WORKERS = $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
SIDE_BY_SIDE = -n $(WORKERS) --dist loadfile --no-loadscope-reorder
HAS_GPU := $(shell command -v nvidia-smi 2>/dev/null)
TORCH_FROM := $(if $(HAS_GPU),,$(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)))

.DEFAULT_GOAL := help
.PHONY: help demo test check fast format format-check lint types imports screens picture docs install install-dev clean

help:            ## show what there is
	@grep -E '^[a-z-]+: .*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16
demo: install    ## run the embedded experiment through all phases (minutes; seconds the second time)
	@$(BIN)/sirt run pocket
	@echo "open the interface with: $(BIN)/sirt"
test: install-dev ## all tests
	@$(BIN)/python -m pytest -q $(SIDE_BY_SIDE)
check: install-dev format-check lint types imports fast  ## what must be green at every commit
fast: install-dev ## the fast tests
	@$(BIN)/python -m pytest -q -m "not slow" $(SIDE_BY_SIDE)
format: install-dev ## format and mend what can be mended
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .
format-check:
	@$(BIN)/ruff format --check --quiet .
lint:
	@$(BIN)/ruff check --quiet .
types:
	@$(BIN)/mypy
imports:
	@PYTHONPATH=. $(BIN)/lint-imports --no-cache > $(VENV)/imports.log || (cat $(VENV)/imports.log; exit 1)

screens: install-dev ## pictures of every screen, at three sizes, into build/screens
	@$(BIN)/python -m tests.tui.gallery build/screens && ls build/screens
picture: install-dev demo ## the moving picture of the README, of the demo's runs, into docs/pictures
	@$(BIN)/python -m tests.tui.moving_picture runs docs/pictures/session.svg
docs: $(VENV)/.installed-docs ## the pages of docs/ as a site, into build/docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet && echo "open build/docs/index.html, or read them with: $(BIN)/mkdocs serve"
install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev
$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "installing into $(VENV) (a minute or two)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) $(TORCH_FROM) torch
	@$(PIP) -e .
	@touch $@
$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing the development tools"
	@$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.installed && touch $@
$(VENV)/.installed-docs: $(VENV)/.installed
	@echo "installing what builds the pages"
	@$(PIP) -e '.[docs]'
	@touch $@

clean:           ## remove the virtual environment; runs stay
	rm -rf $(VENV)
