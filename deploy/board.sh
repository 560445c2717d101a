#!/usr/bin/env bash
# Builds the board into dashboards/board/dist. Where Node.js is missing or too old, it is taken from PyPI into .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

fresh_enough() {
    command -v node >/dev/null && command -v npm >/dev/null &&
        node -e 'const [a, b] = process.versions.node.split(".").map(Number);
                 process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)'
}

if [ "${FENGSUI_NODE:-}" = wheel ] || ! fresh_enough; then
    if ! [ -x .venv/bin/npm ]; then
        echo "No Node.js of 20.19 or newer here: taking it from PyPI into .venv" >&2
        .venv/bin/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes --no-deps \
            -r deploy/requirements-node.txt
    fi
    PATH="$PWD/.venv/bin:$PATH"
    export PATH
fi

cd dashboards/board
if ! [ -f node_modules/.installed ] || [ package-lock.json -nt node_modules/.installed ] ||
    [ "$(cat node_modules/.installed)" != "$(node --version)" ]; then
    npm ci --no-audit --no-fund
    node --version >node_modules/.installed
fi
npm run build
touch dist/index.html
