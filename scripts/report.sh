#!/usr/bin/env bash
# The report in a real browser, then on a new lab with all well and with a director that is dead; no lab afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

results=$PWD/build/results/report
mkdir -p "$results"
if ! command -v chromium >/dev/null; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core
fi
PYTHONPATH=build/collections:tests/report python -m pytest tests/report/test_browser.py --junitxml="$results/browser.xml" "$@"
lab/lab down
trap 'lab/lab down' EXIT
lab/lab up citadel
PYTHONPATH=build/collections:tests/report lab/lab run python -m pytest tests/report/test_lab.py --junitxml="$results/lab.xml" "$@"
