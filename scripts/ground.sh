#!/usr/bin/env bash
# The lab's istiod carries what a later generation of the collection needs: a new lab, the tests in tests/istiod, no lab.
set -euo pipefail
cd "$(dirname "$0")/.."

results=build/results/ground
mkdir -p "$results"
lab/lab down
trap 'lab/lab down' EXIT
lab/lab up istiod
PYTHONPATH=build/collections:tests/istiod "$MESH_EXPANSION_VENV/bin/python" -m pytest tests/istiod --junitxml="$results/ground.xml" "$@"
