#!/usr/bin/env bash
# All of `ansible-test sanity` on a clean copy of the working tree. Leaves JUnit files in build/results/sanity.
set -euo pipefail
cd "$(dirname "$0")/.."

root=build/sanity
results=$PWD/build/results/sanity
scripts/clean_copy.sh "$root"
scripts/ci/get_pip_shim.sh

python=$MESH_EXPANSION_VENV/bin/python
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
log=$PWD/build/sanity.log
judge=$PWD/scripts/sanity.py
rm -rf "$results"
mkdir -p "$results"
cd "$root/ansible_collections/mesh/expansion"
mapfile -t tests < <(ansible-test sanity --list-tests "$@" 2>/dev/null)
echo "sanity: about 2 minutes, 4 on a first run"
status=0
ansible-test sanity --local --python "$version" --requirements --junit --color no "$@" 2>&1 | tee "$log" || status=$?
cp tests/output/junit/*.xml "$results"/ || status=1
"$python" "$judge" . "$results" "$log" "${tests[@]}" || status=1
exit "$status"
