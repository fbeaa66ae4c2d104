#!/usr/bin/env bash
# The whole reference procedure on a new lab, then a summary. Leaves the lab up. Called by `make demo`, with root.
# Arguments are those of `lab/lab up`.
set -euo pipefail
cd "$(dirname "$0")/.."

case " $* " in *" istiod "* | *" both "*)
    echo "make demo: the collection joins VMs to the generation citadel only (Istio 1.0 to 1.4). To look at the lab's istiod:" >&2
    echo "  make lab-up GENERATION=istiod    to try that it carries a mesh: make ground" >&2
    exit 2
    ;;
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
lab/lab up "$@"
step "4/6 site.yml; about 70 s"
joined=0
lab/lab run ansible-playbook -i inventory/lab site.yml --skip-tags verify || joined=$?
step "5/6 verify.yml; about 20 s"
if [ "$joined" -eq 0 ]; then
    # Its exit status is in the report: a row that does not hold fails the summary.
    lab/lab run ansible-playbook -i inventory/lab playbooks/verify.yml -e "verify_report=$report" || true
    lab/lab pod-exec sleep curl -sS -i --max-time 15 http://deb-nginx01:9080 >build/page.html || true
fi
step "6/6 summary"
status=0
"$MESH_EXPANSION_VENV/bin/python" scripts/demo.py "$report" build/page.html build/demo.json || status=$?
printf '\nmake demo took %d s. The lab is up. Look around: lab/lab status, lab/lab exec director ipvsadm -Ln. Stop it: make lab-down\n' "$((SECONDS - start))"
exit "$status"
