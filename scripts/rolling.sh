#!/usr/bin/env bash
# VMs are drained and their sidecars upgraded under traffic: a new lab with a real istiod, the tests, no lab.
set -euo pipefail
cd "$(dirname "$0")/.."

results=$PWD/build/results/rolling
mkdir -p "$results"
lab/lab down
trap 'lab/lab down' EXIT
lab/lab up istiod
lab/lab run python -m pytest tests/rolling --junitxml="$results/rolling.xml" "$@"
