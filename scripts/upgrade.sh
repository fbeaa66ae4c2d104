#!/usr/bin/env bash
# Hosts joined by the release in tests/upgrade, taken over and taken out by this checkout: a new lab, the tests, no lab.
set -euo pipefail
cd "$(dirname "$0")/.."

results=$PWD/build/results/upgrade
mkdir -p "$results"
lab/lab down
trap 'lab/lab down' EXIT
lab/lab up citadel
lab/lab run python -m pytest tests/upgrade --junitxml="$results/upgrade.xml" "$@"
