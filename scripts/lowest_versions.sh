#!/usr/bin/env bash
# scripts/lowest_versions.sh [PYTEST ARGUMENTS]: the default tests with the lowest versions that
# pyproject.toml allows, in a new environment (.venv-lowest, about 6 GB). Needs uv and the lowest
# Python (PYTHON=...). Not part of CI.
set -euo pipefail
cd "$(dirname "$0")/.."
environment=${ENVIRONMENT:-.venv-lowest}
uv venv --allow-existing --python "${PYTHON:-3.11}" "$environment"
uv pip install --python "$environment/bin/python" --resolution lowest-direct -e ".[dev]"
OMP_NUM_THREADS=1 "$environment/bin/python" -m pytest -m "not slow" "$@"
