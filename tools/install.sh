#!/usr/bin/env bash
# Builds .venv with everything cape needs, at the versions of constraints.txt. Safe to repeat: it does nothing when
# nothing changed, and starts again where an earlier run was cut short.
#
#   tools/install.sh            PYTHON=python3.11 VENV=.venv may be set
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}

fingerprint=$(cat setup.py constraints.txt tools/install.sh | cksum)
if [ -x "$VENV/bin/python" ] && [ "$(cat "$VENV/.complete" 2>/dev/null)" = "$fingerprint" ]; then
  exit 0
fi

"$PYTHON" - <<'EOF' || exit 1
import sys
if not (3, 11) <= sys.version_info[:2] < (3, 13):
    sys.exit("cape: expected Python 3.11 or 3.12, got %d.%d. Set PYTHON to such an interpreter." % sys.version_info[:2])
EOF

echo "cape: installing into $VENV (about 2 GB, 2 to 6 minutes)"
if [ ! -x "$VENV/bin/pip" ]; then
  "$PYTHON" -m venv "$VENV" || { echo "cape: this Python lacks venv; install it (Debian: python3-venv)." >&2; exit 1; }
fi
rm -f "$VENV/.complete"
pip() { "$VENV/bin/python" -m pip --disable-pip-version-check "$@"; }

# torch first and by its exact version: another requirement must never choose a larger build for us.
pip install --quiet "$(grep '^torch==' constraints.txt)" "$(grep "^setuptools==" constraints.txt)"
pip install --quiet --no-build-isolation --constraint constraints.txt --editable '.[dev]'
# mmpose's metadata asks for chumpy, which cannot be built and is never imported.
pip install --quiet --no-deps mmpose==1.3.2

if ! "$VENV/bin/python" -c "import cv2" 2>"$VENV/.cv2"; then
  cat "$VENV/.cv2" >&2; rm -f "$VENV/.cv2"
  echo "cape: OpenCV wants two system libraries: apt-get install libgl1 libglib2.0-0" >&2
  exit 1
fi
rm -f "$VENV/.cv2"
echo "$fingerprint" > "$VENV/.complete"
echo "cape: ready; try: $VENV/bin/cape --help"
