#!/usr/bin/env bash
# The whole path on a new lab, then a summary: the reference procedure, or with `istiod` today's Istio. Leaves the lab up. Called by `make demo`, with root.
# Arguments are those of `lab/lab up`.
set -euo pipefail
cd "$(dirname "$0")/.."

vms=() page=(pod-exec sleep)
case " $* " in
*" both "*)
    echo "make demo: one control plane at a time: GENERATION=istiod, or none for the reference procedure" >&2
    exit 2
    ;;
# Both VMs of the lab join.
*" istiod "*) vms=(--spare 0) page=(pod-exec client) ;;
esac

report=$PWD/build/verify.json
start=$SECONDS
step() { printf '\n==== %s (%d s so far) ====\n' "$*" "$((SECONDS - start))"; }

mkdir -p build
rm -f "$report" build/demo.json build/page.html

step "1/6 Python environment; a minute or two when new"
make --no-print-directory venv collection
step "2/6 Debian packages; a minute or two when some are missing"
make --no-print-directory deps
step "3/6 lab; 15 s from caches, 6 to 14 min when they are empty"
lab/lab down
lab/lab up "$@" "${vms[@]}"
step "4/6 site.yml; about 70 s"
joined=0
lab/lab run ansible-playbook -i inventory/lab site.yml --skip-tags verify || joined=$?
step "5/6 verify.yml; about 20 s"
if [ "$joined" -eq 0 ]; then
    # Its exit status is in the report: a row that does not hold fails the summary.
    lab/lab run ansible-playbook -i inventory/lab playbooks/verify.yml -e "verify_report=$report" || true
    lab/lab "${page[@]}" curl -sS -i --max-time 15 http://deb-nginx01:9080 >build/page.html || true
fi
step "6/6 summary"
status=0
"$MESH_EXPANSION_VENV/bin/python" scripts/demo.py "$report" build/page.html build/demo.json || status=$?
printf '\nmake demo took %d s. The lab is up. Look around: lab/lab status, lab/lab exec director ipvsadm -Ln. Stop it: make lab-down\n' "$((SECONDS - start))"
exit "$status"
