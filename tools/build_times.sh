#!/usr/bin/env bash
# Compares how long commits take to build from nothing: everything that CMake builds by default, tests too, with CUDA devices for
# all architectures where there is a toolkit. Without a compiler cache. One after the other on this machine, in folders of their own.
#   tools/build_times.sh COMMIT COMMIT…     e.g. HEAD~1 HEAD; CMAKE_OPTIONS="-DGAMLP_CUDA=off" adds options
# Prints wall-clock and processor seconds of each, and the ratio to the first. Nothing else should run meanwhile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if (($# == 0)) || [[ $1 == -h || $1 == --help ]]; then
  sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit $((${#} == 0 ? 2 : 0))
fi
work=$(mktemp -d)
clean() {
  git worktree remove --force "$work/source" > /dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean EXIT
read -ra options <<< "${CMAKE_OPTIONS:-}"
export LC_ALL=C  # a decimal point in the times
TIMEFORMAT='%R %U %S'
first=
for commit in "$@"; do
  git worktree add --quiet --detach "$work/source" "$commit"
  cmake -S "$work/source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release "${options[@]}" > "$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    exit 1
  }
  # shellcheck disable=SC2024  # the times are bash's own
  { time CCACHE_DISABLE=1 cmake --build "$work/build" --parallel "$(nproc)" > "$work/log" 2>&1; } 2> "$work/times" || {
    tail -n 20 "$work/log" >&2
    exit 1
  }
  read -r wall user system < "$work/times"
  [[ -n $first ]] || first="$wall $user $system"
  echo "$commit $first $wall $user $system" | awk '{
    processor = $6 + $7
    printf "%s: %.0f s, %.0f s of processor time; %.2f and %.2f of the first\n", $1, $5, processor, $5 / $2, processor / ($3 + $4)
  }'
  git worktree remove --force "$work/source"
  rm -rf "$work/build"
done
