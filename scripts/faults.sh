#!/usr/bin/env bash
# All proofs that trouble in the middle of a run does no harm, also those that take long: one of three VMs cannot be joined, VMs leave
# a dead cluster, hosts are rebooted, runs are killed after each of their operations, one of two directors dies. New labs, and none afterwards. Arguments are pytest's, for the first part.
set -euo pipefail
cd "$(dirname "$0")/.."

results=$PWD/build/results/faults
status=0
mkdir -p "$results"
lab/lab down
trap 'lab/lab down' EXIT
lab/lab up citadel --vms 3 --spare 0
lab/lab run python -m pytest tests/faults --junitxml="$results/faults.xml" "$@" || status=1
lab/lab down
lab/lab up citadel
MESH_EXPANSION_FAULTS=all "$MESH_EXPANSION_VENV/bin/python" scripts/molecule.py dnsmasq istio_sidecar istiod || status=1
lab/lab down
lab/lab up citadel --directors 2
lab/lab run python -m pytest tests/pair -s --junitxml="$results/pair.xml" || status=1
lab/lab down
lab/lab up istiod --directors 2
lab/lab run python -m pytest tests/pair/test_site.py -s --junitxml="$results/pair-istiod.xml" || status=1
exit "$status"
