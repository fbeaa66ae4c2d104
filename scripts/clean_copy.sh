#!/usr/bin/env bash
# Copy what git knows of the working tree (tracked files and new ones that are not ignored) to
# DIRECTORY/ansible_collections/mesh/expansion, as a git repository of its own: ansible-test lists files through git.
# Usage: clean_copy.sh DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1/ansible_collections/mesh/expansion
rm -rf "$1"
mkdir -p "$target"
git ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' file; do
        # Deleted in the working tree but not yet in the index: not part of the copy.
        [ ! -e "$file" ] && [ ! -L "$file" ] || printf '%s\0' "$file"
    done |
    tar --create --null --no-recursion --files-from=- | tar --extract --directory "$target"

cd "$target"
git init --quiet
git add --all
git -c user.name=build -c user.email=build@localhost -c commit.gpgsign=false commit --quiet --message 'Working tree'
