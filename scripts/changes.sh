#!/usr/bin/env bash
# What changes in a site while a pod sends requests, every way of registration from nothing, and the whole way with no more rights than rbac.yml
# writes: a new lab with a real istiod, the tests, another one with the stand-ins of Istio 1.0.5 for the rights, no lab. With arguments, which are
# pytest's, the first lab only.
set -euo pipefail
cd "$(dirname "$0")/.."

results=$PWD/build/results/changes
mkdir -p "$results"
trap 'lab/lab down' EXIT
status=0
lab/lab down
lab/lab up istiod
lab/lab run python -m pytest tests/changes --junitxml="$results/changes.xml" "$@" || status=$?
if [ "$#" -eq 0 ]; then
    lab/lab down
    lab/lab up citadel
    lab/lab run python -m pytest tests/changes/test_rights.py -k the_whole_way --junitxml="$results/rights-citadel.xml" || status=$?
fi
exit "$status"
