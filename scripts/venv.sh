#!/usr/bin/env bash
# Create or update a virtual environment from requirement files. A stamp holding their hash makes a second run a no-op.
# Usage: venv.sh DIRECTORY REQUIREMENTS...
set -euo pipefail

venv=$1
shift

usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

pick_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
        if usable "$candidate" && "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# Debian 12 and later have one that fits; older ones are told what is missing.
install_python() {
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        echo "venv: installing python3 and python3-venv"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3 python3-venv >/dev/null
    fi
    pick_python >/dev/null && return
    echo "venv: found no Python >= 3.11 with the venv module; ansible-core needs it on the control node." >&2
    echo "venv: as root on Debian 12 or later: apt-get install python3 python3-venv; or name one: make venv PYTHON=/path/to/python3" >&2
    return 1
}

mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock -w 900 9 || { echo "venv: another run holds $venv.lock for more than 15 minutes" >&2; exit 1; }

wanted=$(cat -- "$@" | sha256sum | cut -d' ' -f1)
stamp=$venv/.requirements.sha256
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && usable "$venv/bin/python"; then
    exit 0
fi

if ! usable "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    pick_python >/dev/null || install_python
    python=$(pick_python)
    echo "venv: creating $venv with $("$python" --version), a minute or two"
    "$python" -m venv --clear "$venv"
else
    echo "venv: updating $venv, up to two minutes"
fi

requirements=()
for file in "$@"; do
    requirements+=(--requirement "$file")
done
start=$SECONDS
"$venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check "${requirements[@]}" &
pip=$!
while kill -0 "$pip" 2>/dev/null; do
    sleep 1
    [ $(((SECONDS - start) % 30)) -ne 0 ] || echo "venv: $((SECONDS - start)) s of about 60 to 120 s"
done
wait "$pip"
echo "$wanted" >"$stamp"
echo "venv: ready after $((SECONDS - start)) s"
