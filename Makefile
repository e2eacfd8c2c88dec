# Everything runs in .venv, which these targets make and keep; no other set-up is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Tests start many processes, which compile the sources again where none may be kept.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test test-slow check format practical-work speed clean

demo: $(VENV)/installed
	$(BIN)/mlproof demo

test: $(VENV)/developed
	$(BIN)/python -m pytest --numprocesses auto

test-slow: $(VENV)/developed
	$(BIN)/python -m pytest -m slow --durations=5

check: $(VENV)/developed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: $(VENV)/developed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

practical-work: $(VENV)/installed
	$(BIN)/python examples/practical_work

# docs/benchmarks.md, its picture and its numbers; on a machine that does nothing else.
speed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --group bench --group dev
	$(BIN)/mlproof bench --all --output benchmarks/speed.json --plot docs/images/speed.png
	$(BIN)/python benchmarks/time_to_accuracy.py --output benchmarks/time_to_accuracy.json
	$(BIN)/python benchmarks/growth.py --output benchmarks/growth.json --plot docs/images/growth.png
	$(BIN)/python tests/test_bench.py

# The package with its pictures, from this folder, so that an edit is seen at once.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV) || { echo "If venv is missing: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[all]'
	touch $@

# What checks and tests need besides.
$(VENV)/developed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache mlproof-demo
