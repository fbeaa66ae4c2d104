#!/usr/bin/env bash
# ansible-test downloads get-pip from a host of its own. Where that host cannot be reached, this puts a stand-in for it into
# ansible-test's cache: it uses the pip that comes with Python. Does nothing when the file is there or the host answers.
set -euo pipefail

version=$(python - <<'PY'
import re
from pathlib import Path

import ansible_test

text = (Path(ansible_test.__file__).parent / "_internal" / "python_requirements.py").read_text()
print(re.search(r"pip='([0-9.]+)'", text).group(1))
PY
)
cached=$HOME/.ansible/test/cache/get_pip_${version//./_}.py
[ ! -s "$cached" ] || exit 0

url=https://ci-files.testing.ansible.com/ansible-test/get-pip-$version.py
if python - "$url" <<'PY'
import sys
import urllib.request

try:
    urllib.request.urlopen(sys.argv[1], timeout=10).close()
except OSError:
    sys.exit(1)
PY
then
    exit 0
fi

echo "sanity: $url cannot be reached; using Python's own pip instead"
mkdir -p "$(dirname "$cached")"
cat >"$cached" <<'PY'
import subprocess
import sys

arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True, stdout=subprocess.DEVNULL)
sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", *arguments]).returncode)
PY
