# Every target does its own set-up in .venv; PYTHON names the interpreter that makes it.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test lint bench clean
.DEFAULT_GOAL := demo

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --only-binary :all: "setuptools>=77"
	$(BIN)/pip install --quiet --disable-pip-version-check --prefer-binary --editable ".[dev]"
	@touch $(READY)

demo: $(READY)  ## run the example case and show its table and pictures
	$(BIN)/vbsim run examples/l1_wedge_bipedicular.toml --results results

lint: $(READY)  ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint  ## lint, then every test, doctest and README block
	$(BIN)/pytest -n 2

bench: $(READY)  ## solver benchmarks, with records under benchmarks/records
	$(BIN)/pip install --quiet --disable-pip-version-check --prefer-binary --editable ".[bench]"
	$(BIN)/python benchmarks/voxels.py

clean:
	rm -rf .venv results build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
