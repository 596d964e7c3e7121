#!/usr/bin/env bash
# The status of MPICH's mpiexec is the bitwise OR of the statuses of all ranks, and a rank that a signal ended counts with the
# bare number of the signal: a script that branches on the status sees values that no rank gave.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip --disable-pip-version-check install --quiet --root-user-action ignore --no-deps --ignore-installed \
  --prefix "$folder" mpich==5.0.2
"$folder/bin/mpichversion" | sed -n 1p

status_of() {  # what mpiexec returns for these ranks and this shell command
  local status=0
  "$folder/bin/mpiexec" -n "$1" sh -c "$2" > "$folder/log" 2>&1 || status=$?
  echo "$status"
}
# shellcheck disable=SC2016  # each rank's shell expands it
{
  two=$(status_of 2 'exit $((PMI_RANK == 0 ? 3 : 5))')
  four=$(status_of 4 'exit $((1 << PMI_RANK))')
  ended=$(status_of 1 'kill -TERM $$')
}
echo "two ranks that exit with 3 and 5:           mpiexec returns $two"
echo "four ranks that exit with 1, 2, 4 and 8:    mpiexec returns $four"
echo "a rank that SIGTERM (15) ended:             mpiexec returns $ended (a shell says 143)"
if [[ $two != 7 || $four != 15 || $ended != 15 ]]; then
  echo "CHANGED: this is no longer so" >&2
  exit 1
fi
