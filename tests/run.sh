#!/usr/bin/env bash
# make test: unit tests, then producer and replay without brokers, then pipeline and faults on real servers in a home and on ports of their own.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
home=${CITYPULSE_HOME:-$PWD/.citypulse}
PATH="$home/dev/bin:$PATH"
export PYTHONFAULTHANDLER=1
# Long tests of the pipeline take turns; TURNS=all runs every one.
export TURNS=${TURNS:-some}
began=$SECONDS
status=0

stage() {
  local name=$1
  shift
  local from=$SECONDS
  echo "== $name"
  if "$@"; then
    echo "== $name: well, $((SECONDS - from)) s"
  else
    echo "== $name: FAILED, $((SECONDS - from)) s"
    status=1
  fi
}

# Two at a time, whatever the machine: some start a JVM. Sockets allow short paths only, and each worker adds to them.
scratch=$(mktemp -d "${TMPDIR:-/tmp}/cp-XXXXX")
trap 'rm -rf "$scratch"' EXIT
stage "unit tests" pytest -q -n 2 --dist loadfile --basetemp "$scratch/t" --timeout 300 tests/unit
stage "producer and replay" pytest -q --timeout 300 tests/stream
stage "pipeline and faults on real servers" pytest -v -s --timeout 900 tests/pipeline tests/faults
echo "== all: $((SECONDS - began)) s"
exit "$status"
