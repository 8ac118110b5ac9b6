#!/usr/bin/env bash
# Writes every lock anew: the requirements.txt beside each requirements.in, and archives/archives.lock.
#
#   control/lock.sh              after a change of a pin: what else is locked stays where it can
#   control/lock.sh --upgrade    the newest versions that the pins allow
#
# Needs `control/bootstrap.sh --dev`. Nothing in a lock says which index or mirror a file came from.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="${CITYPULSE_HOME:-$PWD/.citypulse}/dev/bin:$PATH"

upgrade=()
case ${1:-} in
  "") ;;
  --upgrade) upgrade=(--upgrade) ;;
  *) sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "$0"; exit 2 ;;
esac

# pip-compile OUTPUT INPUT...: the same flags for every lock.
compile() {
  echo "lock: $1"
  CUSTOM_COMPILE_COMMAND="control/lock.sh" pip-compile --quiet --allow-unsafe --generate-hashes --strip-extras \
    --no-emit-find-links --no-emit-index-url --no-emit-trusted-host "${upgrade[@]}" --output-file "$@"
}

compile control/requirements.txt control/requirements.in
constraints=(--constraint control/requirements.txt)
for input in services/*/requirements.in; do
  output=${input%.in}.txt
  compile "$output" "$input" "${constraints[@]}"
  constraints+=(--constraint "$output")
done
compile loadtest/requirements.txt loadtest/requirements.in "${constraints[@]}"
compile requirements-dev.txt requirements-dev.in "${constraints[@]}"

python -m citypulse.control.archives lock
