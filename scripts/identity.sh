#!/usr/bin/env bash
# What time does to identities, with a real istiod: a VM that was off for too long, another root certificate. A new lab, and none afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

results=build/results/identity
mkdir -p "$results"
lab/lab down
trap 'lab/lab down' EXIT
lab/lab up istiod
PYTHONPATH=build/collections:tests/istiod:tests/identity "$MESH_EXPANSION_VENV/bin/python" -m pytest tests/identity --junitxml="$results/identity.xml" "$@"
