#!/usr/bin/env bash
# What diagnose gathers holds no secret of a site, and what verify leaves for node exporter: a new lab of each generation, and none afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

results=$PWD/build/results/diagnose
status=0
mkdir -p "$results"
trap 'lab/lab down' EXIT
for generation in istiod citadel; do
    lab/lab down
    lab/lab up "$generation"
    lab/lab run python -m pytest tests/diagnose --junitxml="$results/$generation.xml" "$@" || status=1
done
exit "$status"
