#!/usr/bin/env bash
# Rebuilds what the board's pages load of others' work: one bundle of the chart library, the map's outlines, their
# licences, and the sums of all of them. Needs node and npm. `--check` says whether the sums are right, without either.
#
#   services/board/assets/build.sh [--check]
set -euo pipefail
cd "$(dirname "$0")"
vendor=../src/citypulse/board/static/vendor

if [[ ${1:-} == --check ]]; then
  cd "$vendor" && exec sha256sum --quiet --strict --check SHA256SUMS
elif (($#)); then
  sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "$0"
  exit 2
fi

command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or newer" >&2; exit 2; }
npm ci --ignore-scripts --no-audit --no-fund
mkdir -p "$vendor"
rm -f "$vendor"/*
node_modules/.bin/esbuild charts.js --bundle --minify --format=esm --target=es2020 --legal-comments=none \
  --outfile="$vendor/charts.min.js"
cp node_modules/world-atlas/countries-110m.json "$vendor/world.json"
for package in echarts zrender tslib topojson-client world-atlas; do
  version=$(node -p "require('./node_modules/$package/package.json').version" 2>/dev/null \
    || sed -nE 's/.*"version": "([^"]+)".*/\1/p' "node_modules/$package/package.json" | head -1)
  printf '== %s %s\n\n' "$package" "$version"
  cat node_modules/"$package"/LICENSE* node_modules/"$package"/NOTICE 2>/dev/null || true
  printf '\n'
done | tr -d "\r" >"$vendor/LICENSES.txt"
(cd "$vendor" && sha256sum charts.min.js world.json LICENSES.txt >SHA256SUMS)
ls -l "$vendor"
