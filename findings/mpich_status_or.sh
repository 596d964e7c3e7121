#!/usr/bin/env bash
# The status of MPICH's mpiexec is the bitwise OR of the statuses of all ranks, and a rank that a signal ended counts with the
# bare number of the signal: a script that branches on the status sees values that no rank gave.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mpich==5.0.2
"$folder/venv/bin/mpichversion" | sed -n 1p

cat > "$folder/rank.py" <<'PYTHON'
import ctypes
import os
import signal
import sys

mpi = ctypes.CDLL("libmpi.so.12", mode=ctypes.RTLD_GLOBAL)
rank = ctypes.c_int()
mpi.MPI_Init(None, None)
mpi.MPI_Comm_rank(0x44000000, ctypes.byref(rank))  # MPI_COMM_WORLD of MPICH
if sys.argv[1] == "SIGTERM":
    os.kill(os.getpid(), signal.SIGTERM)
mpi.MPI_Finalize()
sys.exit(int(sys.argv[1 + rank.value]))
PYTHON

status_of() { # what mpiexec returns for ranks that end so
  local status=0
  LD_LIBRARY_PATH=$folder/venv/lib "$folder/venv/bin/mpiexec" -n $# python3 "$folder/rank.py" "$@" > "$folder/log" 2>&1 || status=$?
  echo "$status"
}
two=$(status_of 3 5)
four=$(status_of 1 2 4 8)
ended=$(status_of SIGTERM)
echo "two ranks that exit with 3 and 5:           mpiexec returns $two"
echo "four ranks that exit with 1, 2, 4 and 8:    mpiexec returns $four"
echo "a rank that SIGTERM (15) ended:             mpiexec returns $ended (a shell says 143)"
if [[ $two != 7 || $four != 15 || $ended != 15 ]]; then
  echo "CHANGED: this is no longer so" >&2
  exit 1
fi
