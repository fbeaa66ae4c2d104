#!/usr/bin/env bash
# Build the collection as it was at a commit, the same bytes every time. Needs the whole history, and ansible-galaxy.
# Usage: make_release.sh COMMIT
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
commit=$1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/source" "$work/built"
git -C "$here/../.." archive "$commit" | tar --extract --directory "$work/source"
ansible-galaxy collection build "$work/source" --output-path "$work/built" >/dev/null

# What playbooks need; times, owners and order as nothing but the commit decides them.
mkdir "$work/tree"
tar --extract --directory "$work/tree" --file "$work"/built/mesh-expansion-*.tar.gz \
    MANIFEST.json FILES.json README.md LICENSE meta plugins roles playbooks
tar --create --directory "$work/tree" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX . |
    gzip --no-name --best >"$here/mesh-expansion-$commit.tar.gz"
sha256sum "$here/mesh-expansion-$commit.tar.gz"
