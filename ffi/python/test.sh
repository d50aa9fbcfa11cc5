#!/usr/bin/env bash
# Builds the module into a fresh virtual environment and runs its tests there.
set -euo pipefail
cd "$(dirname "$0")"
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
# The development profile, unless told otherwise: building is most of the time.
export MATURIN_PEP517_ARGS="${MATURIN_PEP517_ARGS:---profile dev}"
"$place/venv/bin/pip" install --quiet '.[test]'
"$place/venv/bin/python" -m pytest -q
