#!/usr/bin/env bash
# VMs move from the stand-ins of Istio 1.0.5 to a real istiod under traffic: a new lab with both, the tests, no lab.
set -euo pipefail
cd "$(dirname "$0")/.."

results=$PWD/build/results/migration
mkdir -p "$results"
lab/lab down
trap 'lab/lab down' EXIT
lab/lab up both
lab/lab run python -m pytest tests/migration --junitxml="$results/migration.xml" "$@"
