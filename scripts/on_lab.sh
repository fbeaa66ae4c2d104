#!/usr/bin/env bash
# Run a command on the lab's control node; say what to do when the lab is down.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! lab/lab status >/dev/null 2>&1; then
    echo "The lab is not up. Start it with: make lab-up (or see what is wrong: lab/lab status)" >&2
    exit 1
fi
exec lab/lab run "$@"
