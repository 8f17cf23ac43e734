# Every target does its own set-up in .venv; PYTHON names the interpreter that makes it.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
LOCAL := benchmarks/records/local

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

bench: $(READY)  ## short solver benchmarks; records under benchmarks/records/local
	$(BIN)/pip install --quiet --disable-pip-version-check --prefer-binary --editable ".[bench]"
	rm -rf $(LOCAL)
	$(BIN)/python benchmarks/voxels.py --record $(LOCAL)/voxels.jsonl
	$(BIN)/python benchmarks/kernel.py --edge 128 --repeat 3 --record $(LOCAL)/kernel.jsonl
	$(BIN)/python benchmarks/parts.py --record $(LOCAL)/parts.jsonl
	$(BIN)/python benchmarks/peers.py --sizes 0.06 --pyamg --record $(LOCAL)/peers.jsonl
	$(BIN)/python benchmarks/compare.py benchmarks/records/voxels.jsonl $(LOCAL)/voxels.jsonl

clean:
	rm -rf .venv results build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
