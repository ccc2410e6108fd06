# `make help` lists the targets. All of them make what they need in .venv by themselves; when it is
# there, they start at once and work without a network.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
# Every Keras that pyproject.toml allows, but for the newest, which is installed; the lowest is first.
# tests/test_keras_range.py tries them.
OLDER_KERAS := 3.14.0 3.14.1 3.15.0
LOWEST_KERAS := $(firstword $(OLDER_KERAS))

SUPPORTED := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(firstword $(foreach python,python3.13 python3.12 python3.11 python3 python, \
	$(shell $(python) -c '$(SUPPORTED)' 2>/dev/null && echo $(python))))

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  make %-10s %s\n' "$$name" "$$text"; done

.PHONY: demo
demo: $(VENV)/.run ## compile a blueprint, train it, and load the result in plain Keras
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/demo.sh

.PHONY: test
test: lint types check ## everything that must hold before a change is merged

.PHONY: lint
lint: $(VENV)/.test ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(VENV)/.test ## mypy
	$(BIN)/mypy

.PHONY: check
check: $(VENV)/.test $(VENV)/keras-$(LOWEST_KERAS)/.done $(VENV)/editor/.done ## the tests alone
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: format
format: $(VENV)/.test ## rewrite the code as ruff wants it
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: catalogue
catalogue: $(VENV)/.run ## what the installed Keras has, into archbuilder/registry
	$(BIN)/python scripts/generate_catalogue.py

.PHONY: schema
schema: $(VENV)/.run ## the JSON Schema for editors, into schemas
	$(BIN)/python scripts/generate_schema.py

.PHONY: thorough
thorough: $(VENV)/.test ## tests that repeat others with more of it, such as four replicas
	$(BIN)/pytest -n $(WORKERS) -m "thorough and not range"

.PHONY: versions
versions: $(VENV)/.test $(OLDER_KERAS:%=$(VENV)/keras-%/.done) ## the tests that hang on Keras, with every version of it
	$(BIN)/pytest -n $(WORKERS) -m range

.PHONY: fuzz
fuzz: $(VENV)/.test ## the property tests with many more examples
	$(BIN)/pytest -n $(WORKERS) -m hypothesis --hypothesis-profile=long

.PHONY: gallery
gallery: $(VENV)/.test ## what the library has, into blueprints and docs
	$(BIN)/python scripts/generate_gallery.py

.PHONY: proofs
proofs: $(VENV)/.test $(VENV)/proofs/.done ## every blueprint of the library against an independent source
	$(BIN)/pytest -n $(WORKERS) -m proof -v --junitxml=$(VENV)/proofs/report.xml
	$(BIN)/python scripts/generate_proofs_page.py $(VENV)/proofs/report.xml

.PHONY: bench
bench: $(VENV)/.run ## how long things take
	$(BIN)/python -m benchmarks

.PHONY: results
results: $(VENV)/.run ## train what docs/results.md tells of, on DATA=FOLDER with mnist/ and text/
	@test -d "$(DATA)" || { echo "say where the data is: make results DATA=FOLDER"; exit 1; }
	$(BIN)/python scripts/results.py $(DATA)

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf $(VENV) build dist runs .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A half-made environment has no working pip and is made anew.
$(VENV)/.run: pyproject.toml
	@test -n "$(PYTHON)" || { \
		echo "archbuilder needs Python 3.11, 3.12 or 3.13 with its venv module, and found none."; \
		echo "Install one (on Debian and Ubuntu also the package python3-venv), or say where it is:"; \
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

# PyTorch, in an environment of its own. The wheels of torchvision and what builds on it ask for other
# builds of torch than this one, and their models work without what is compiled in them.
$(VENV)/proofs/.done: tests/zoo/requirements-parity.txt | $(VENV)/.test
	$(BIN)/python -m venv --clear $(VENV)/proofs
	$(VENV)/proofs/bin/python -m pip install --quiet --requirement $<
	$(VENV)/proofs/bin/python -m pip install --quiet --no-deps \
		torchvision==0.28.0 timm==1.0.31 pytorchcv==0.0.74 reservoirpy==0.4.2
	@touch $@

# The language server that editors have. Its tests are skipped where there is no npm.
$(VENV)/editor/.done: tests/editor/package.json | $(VENV)/.test
	@mkdir -p $(VENV)/editor && cp $< $(VENV)/editor/
	@if command -v npm >/dev/null; then \
		cd $(VENV)/editor && npm install --silent --no-audit --no-fund --no-package-lock; \
	else echo "npm is not installed: the tests of the editor schema are skipped"; fi
	@touch $@
