# `make help` lists the targets. Each creates what it needs in .venv. Once that is there, targets
# start at once and need no network.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
# Every version of Keras that pyproject.toml allows except the newest, which is installed. The
# lowest comes first.
# tests/test_keras_versions.py runs with each of them.
OLDER_KERAS := 3.14.0 3.14.1 3.15.0
LOWEST_KERAS := $(firstword $(OLDER_KERAS))

SUPPORTED := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(firstword $(foreach python,python3.13 python3.12 python3.11 python3 python, \
	$(shell $(python) -c '$(SUPPORTED)' 2>/dev/null && echo $(python))))

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  make %-15s %s\n' "$$name" "$$text"; done

.PHONY: demo
demo: $(VENV)/.run ## compile a blueprint, train it, and load the result in plain Keras
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/demo.sh

.PHONY: test
test: lint types check ## all checks that a change must pass

.PHONY: lint
lint: $(VENV)/.test ## run ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(VENV)/.test ## run mypy
	$(BIN)/mypy

.PHONY: check
check: $(VENV)/.test $(VENV)/keras-$(LOWEST_KERAS)/.done $(VENV)/editor/.done ## run the tests
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: format
format: $(VENV)/.test ## format the code with ruff
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: registry
registry: $(VENV)/.run ## write archbuilder/registry from the installed Keras
	$(BIN)/python scripts/generate_registry.py

.PHONY: schema
schema: $(VENV)/.run ## write the JSON Schema for editors to schemas
	$(BIN)/python scripts/generate_schema.py

.PHONY: settings
settings: $(VENV)/.run ## write the reference of recipes to docs
	$(BIN)/python scripts/generate_settings_page.py

.PHONY: thorough
thorough: $(VENV)/.test ## slow tests that repeat others at a larger scale, such as with four replicas
	$(BIN)/pytest -n $(WORKERS) -m "thorough and not keras_versions"

.PHONY: keras-versions
keras-versions: $(VENV)/.test $(OLDER_KERAS:%=$(VENV)/keras-%/.done) ## the tests that depend on Keras, with every supported version
	$(BIN)/pytest -n $(WORKERS) -m keras_versions

.PHONY: fuzz
fuzz: $(VENV)/.test ## run the property tests with more examples
	$(BIN)/pytest -n $(WORKERS) -m hypothesis --hypothesis-profile=long

.PHONY: gallery
gallery: $(VENV)/.test ## write the list of the library's blueprints to blueprints and docs
	$(BIN)/python scripts/generate_gallery.py

.PHONY: examples
examples: $(VENV)/.run ## write the list of keras.io's examples to docs
	$(BIN)/python scripts/generate_examples_page.py

.PHONY: parity
parity: $(VENV)/.test $(VENV)/parity/.done ## compare every blueprint of the library with an independent implementation
	$(BIN)/pytest -n $(WORKERS) -m parity -v --junitxml=$(VENV)/parity/report.xml
	$(BIN)/python scripts/generate_parity_page.py $(VENV)/parity/report.xml

.PHONY: bench
bench: $(VENV)/.run ## run the benchmarks
	$(BIN)/python -m benchmarks

.PHONY: results
results: $(VENV)/.run $(VENV)/results/.done ## reproduce docs/results.md with DATA=DIR, which has mnist/ and text/
	@test -d "$(DATA)" || { echo "name the directory with the data: make results DATA=DIR"; exit 1; }
	$(BIN)/python scripts/results.py $(DATA)

.PHONY: clean
clean: ## remove all generated files
	rm -rf $(VENV) build dist runs .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An incomplete environment has no working pip and is created again.
$(VENV)/.run: pyproject.toml
	@test -n "$(PYTHON)" || { \
		echo "archbuilder needs Python 3.11, 3.12 or 3.13 with its venv module; none was found."; \
		echo "Install one (on Debian and Ubuntu also the package python3-venv), or name it:"; \
		echo "    make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; \
		exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@

$(VENV)/keras-%/.done: | $(VENV)/.test
	rm -rf $(@D)
	$(BIN)/python -m pip install --quiet --no-deps --target $(@D) keras==$*
	@touch $@

# PyTorch, in a separate environment. The wheels of torchvision and its dependents require other
# builds of torch than this one; their models need none of the compiled extensions.
$(VENV)/parity/.done: tests/zoo/requirements-parity.txt | $(VENV)/.test
	$(BIN)/python -m venv --clear $(VENV)/parity
	$(VENV)/parity/bin/python -m pip install --quiet --requirement $<
	$(VENV)/parity/bin/python -m pip install --quiet --no-deps \
		torchvision==0.28.0 timm==1.0.31 pytorchcv==0.0.74 reservoirpy==0.4.2
	@touch $@

$(VENV)/results/.done: scripts/requirements-results.txt | $(VENV)/.run
	$(BIN)/python -m venv --clear $(VENV)/results
	$(VENV)/results/bin/python -m pip install --quiet --requirement $<
	@touch $@

# The language server that editors use. Its tests are skipped if npm is not installed.
$(VENV)/editor/.done: tests/editor/package.json | $(VENV)/.test
	@mkdir -p $(VENV)/editor && cp $< $(VENV)/editor/
	@if command -v npm >/dev/null; then \
		cd $(VENV)/editor && npm install --silent --no-audit --no-fund --no-package-lock; \
	else echo "npm is not installed: the tests of the editor schema are skipped"; fi
	@touch $@
