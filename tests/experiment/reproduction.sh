#!/usr/bin/env bash
# The small variant of the whole reproduction: every experiment, every figure, and the page.
#   reproduction.sh PROGRAM DATASETS FOLDER
# Exit status 77: skipped, there are no datasets.
set -euo pipefail
program=$1 datasets=$2 folder=$3
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [[ ! -f $datasets/cora.npz ]]; then
  echo "skipped: no $datasets/cora.npz"
  exit 77
fi
rm -rf "$folder"
mkdir -p "$folder/page"
cp tests/results/paper/page.md "$folder/page"
GAMLP=$program tools/reproduce.sh --quick --datasets "$datasets" --output "$folder/runs" --page "$folder/page"

fail() { echo "reproduction: $1" >&2 && exit 1; }
for wrong in 'not run' '{{' '| failed' '| missing' '| not yet'; do
  if grep -F "$wrong" "$folder/page/README.md"; then fail "the page says \"$wrong\""; fi
done
grep -q '| Cora | ' "$folder/page/README.md" || fail "the page has no row of Cora"
pictures=$(grep -o '(\(\w*\)\.png)' "$folder/page/README.md" | tr -d '()')
[[ $(wc -w <<< "$pictures") -ge 4 ]] || fail "the page shows fewer than four figures"
for picture in $pictures; do
  [[ $(head -c 4 "$folder/page/$picture" | tail -c 3) == PNG ]] || fail "$picture is no picture"
done
