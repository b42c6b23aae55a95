# make train: set everything up and run the main job. make test: set everything up and pass the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up

# Each process of the tests has a core of its own.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

export NO_ALBUMENTATIONS_UPDATE := 1

.PHONY: setup train test test-slow test-detector lint docs clean

setup: $(SETUP)

$(SETUP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $(SETUP)

train: setup
	$(BIN)/python train.py $(ARGS)

test: setup
	$(PYTEST) -m "not slow" $(ARGS)

test-slow: setup
	$(PYTEST) -m "slow and not serial" $(ARGS)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m serial $(ARGS)

# The tests that need the extra detect and a model in HANDPOSE_HAND_LANDMARKER.
test-detector: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m detector $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) runs cache site
