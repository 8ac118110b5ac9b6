#!/usr/bin/env bash
# make fault NAME=… and make faults: faults of the catalogue, on real servers in a home and on ports of their own.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH="${CITYPULSE_HOME:-$PWD/.citypulse}/dev/bin:$PATH"
if [[ -z ${1:-} ]]; then
  python -m tests.faults
  echo
  echo "make fault NAME=one-broker-killed runs that one, with commas several; make faults runs all."
  exit 0
fi
FAULT=$1 exec pytest -v -s --timeout 1200 tests/faults
