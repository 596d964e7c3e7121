#!/usr/bin/env bash
# The tables and figures of arXiv 2105.09837, and what goes beyond them, from the experiments of configs/experiments, on the
# datasets that are there; and the results page that shows them.
#   tools/reproduce.sh [--quick] [--datasets FOLDER] [--output FOLDER] [--machine NAME] [--page FOLDER] [NAME…]
#   NAME        only these experiments (default: the tables, the figures and what goes beyond, as listed below)
#   --quick     their small variants, in minutes
#   --datasets  where the datasets are (default: data)
#   --output    where the runs go (default: runs/paper, or runs/paper-quick); the same command goes on after an interrupt
#   --machine   whose rates forecasts of CPU workers take (gamlp plan's; default: here, this machine's, measured as they go)
#   --page      also writes the page and its pictures there, e.g. tests/results/paper; what was not run stays as it is
# Needs build/gamlp (tools/quickstart.sh), some 60 GB of disk, as every job of a table keeps the best weights of its stages, and,
# for figures, matplotlib. Exit status 0 when every experiment ended well.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

all=(table3 table4 fig2 fig3 fig4 workers fig5 bits time epochs depth hops best)
gamlp=${GAMLP:-build/gamlp}
datasets=data
machine=here
output=
page=
quick=()
names=()
while (($#)); do
  case "$1" in
    --quick) quick=(--quick) ;;
    --datasets) datasets=${2:?"--datasets needs a folder"} && shift ;;
    --output) output=${2:?"--output needs a folder"} && shift ;;
    --machine) machine=${2:?"--machine needs a name or a file"} && shift ;;
    --page) page=${2:?"--page needs a folder"} && shift ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0" && exit 0 ;;
    -*) echo "reproduce: unknown option $1" >&2 && exit 2 ;;
    *)
      if [[ ! -f configs/experiments/$1.json ]]; then echo "reproduce: there is no configs/experiments/$1.json" >&2 && exit 2; fi
      names+=("$1")
      ;;
  esac
  shift
done
((${#names[@]})) || names=("${all[@]}")
output=${output:-runs/paper${quick:+-quick}}
if [[ ! -x $gamlp ]]; then echo "reproduce: there is no $gamlp: build it (tools/quickstart.sh)" >&2 && exit 2; fi
python=python3
if ! "$python" -c 'import matplotlib' 2> /dev/null && /usr/bin/python3 -c 'import matplotlib' 2> /dev/null; then python=/usr/bin/python3; fi

commit=$(git rev-parse --short HEAD 2> /dev/null || echo unknown)
git diff --quiet HEAD 2> /dev/null || commit+=+
failed=0
mkdir -p "$output"
for name in "${names[@]}"; do
  start=$SECONDS
  echo "== $name"
  "$gamlp" experiment "configs/experiments/$name.json" "${quick[@]}" --datasets "$datasets" --machine "$machine" \
    --output "$output/$name" || failed=1
  if [[ -f $output/$name/table.json ]] && grep -q '"figure"' "$output/$name/table.json"; then
    "$python" -B tools/plot.py "$output/$name" -o "$output/$name.png" || failed=1
  fi
  echo "$(date +%F) $commit $((SECONDS - start))" >> "$output/$name/made"  # a line for each call, as after an interrupt
done
if [[ -n $page ]]; then "$python" -B tools/results_page.py "$output" --page "$page" || failed=1; fi
exit "$failed"
