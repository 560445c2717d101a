#!/usr/bin/env bash
# Renews the locks beside this file from pyproject.toml: exact versions and hashes, no registry addresses.
# `deploy/lock.sh` keeps what still fits; `deploy/lock.sh --upgrade` takes the newest; `--upgrade-package NAME` one of them.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    .venv/bin/python -m pip install --quiet uv
    uv=.venv/bin/uv
fi

compile() {
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "deploy/lock.sh" "$@"
}

compile pyproject.toml --extra build --output-file deploy/requirements.txt "$@"
compile pyproject.toml --extra build --extra dev --constraint deploy/requirements.txt --output-file deploy/requirements-dev.txt "$@"
compile deploy/node.in --output-file deploy/requirements-node.txt "$@"

if grep -nE 'https?://|--(extra-)?index-url|--find-links' deploy/requirements*.txt; then
    echo "lock.sh: the lines above name an address; a lock must not" >&2
    exit 1
fi
