#!/usr/bin/env bash
# A process that only loads cuBLASLt, on a machine without a GPU, has 140 MiB more resident; and its peak is another 57 MiB
# higher when it ends by exit(), whose handlers touch more of the library, than by _exit(). Who forecasts or limits a
# process's memory has to count both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile nvidia-cublas==13.0.2.14
HOME=$folder CUDA_VISIBLE_DEVICES='' "$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata
import os
import pathlib
import sys
import sysconfig

package = importlib.metadata.version("nvidia-cublas")
library = next(pathlib.Path(sysconfig.get_path("purelib")).rglob("libcublasLt.so.*"))
print("nvidia-cublas", package, library.name)


def peak(program):
    """Peak resident megabytes of a process that runs it."""
    child = os.posix_spawn(sys.executable, [sys.executable, "-S", "-E", "-c", "import ctypes, os\n" + program], os.environ)
    _, status, usage = os.wait4(child, 0)
    if status != 0:
        sys.exit(f"a child ended with status {status}")
    return usage.ru_maxrss / 1024


load = f"ctypes.CDLL({str(library)!r})\n"
nothing, at_once, normal = peak(""), peak(load + "os._exit(0)"), peak(load)
print(f"nothing loaded           {nothing:6.1f} MiB")
print(f"loaded, then _exit()     {at_once:6.1f} MiB")
print(f"loaded, then exit()      {normal:6.1f} MiB")
if at_once - nothing < 75 or normal - at_once < 30:
    sys.exit("CHANGED: this is no longer so")
PYTHON
