#!/usr/bin/env bash
# Every linter of the project, each pinned in requirements-dev.txt. Goes through all of them, then says which complained.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
home=${CITYPULSE_HOME:-$PWD/.citypulse}
PATH="$home/dev/bin:$PATH"
failed=()

check() {
  local name=$1
  shift
  local began=$SECONDS
  if "$@"; then
    echo "lint: $name well ($((SECONDS - began)) s)"
  else
    echo "lint: $name complains (above)"
    failed+=("$name")
  fi
}

mapfile -t scripts < <(git ls-files --cached --others --exclude-standard | while read -r file; do
  case $file in
    *.sh) echo "$file" ;;
    *) head -c 64 -- "$file" 2>/dev/null | head -n 1 | grep -aqE '^#!.*\b(ba)?sh\b' && echo "$file" ;;
  esac
done)

check "ruff" ruff check .
check "ruff format" ruff format --check .
check "mypy" mypy control/src grafana/src loadtest/src services/*/src
check "yamllint" yamllint --strict .
check "ansible-lint" env ANSIBLE_CONFIG=infra/ansible/ansible.cfg ansible-lint --offline -q infra/ansible
check "shellcheck" shellcheck "${scripts[@]}"

if ((${#failed[@]})); then
  echo "lint: to mend: ${failed[*]}"
  exit 1
fi
