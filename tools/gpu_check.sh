#!/usr/bin/env bash
# What a machine with an NVIDIA GPU shows of gamlp's CUDA devices, and a record of it. Needs a CUDA toolkit, a C++20
# compiler and CMake; none of the libraries that gamlp itself needs.
#   tools/gpu_check.sh [--small] [--output FOLDER] [--arch ARCH]
# Builds tests/gpu (in build-gpu/), runs the conformance suite, whole stages and augmentation against the CPU, messages by
# NCCL (to itself; between processes that share the GPU, where NCCL lets them), the rates of kernels and iterations,
# compute-sanitizer's four tools on small sizes, and PyTorch beside it (tools/bench_torch.py) where that is installed;
# then writes FOLDER/gpu.json and FOLDER/gpu.md (default: tests/results/gpu). Exit status 0 when all passed.
#   --small   small sizes only, for a first look      --arch  e.g. 90-real (default: the GPU's own)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

output=tests/results/gpu
arch=native
small=()
while (($#)); do
  case "$1" in
    --small) small=(--small) ;;
    --output) output=${2:?"--output needs a folder"} && shift ;;
    --arch) arch=${2:?"--arch needs an architecture"} && shift ;;
    -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0" && exit 0 ;;
    *) echo "gpu_check: unknown option $1" >&2 && exit 2 ;;
  esac
  shift
done

generator=()
if command -v ninja > /dev/null && [[ ! -f build-gpu/CMakeCache.txt ]]; then generator=(-G Ninja); fi
mkdir -p build-gpu "$output"
echo "build: tests/gpu in build-gpu/, architecture $arch"
cmake -S tests/gpu -B build-gpu "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CUDA_ARCHITECTURES="$arch" \
  > build-gpu/configure.log 2>&1 || { tail -n 30 build-gpu/configure.log >&2 && exit 1; }
cmake --build build-gpu --parallel > build-gpu/build.log 2>&1 || { tail -n 30 build-gpu/build.log >&2 && exit 1; }

failed=0
status=0
build-gpu/gpu_check "${small[@]}" --json "$output/gpu.json" --markdown "$output/gpu.md" || status=$?
if ((status == 77)); then exit 77; fi
if ((status != 0)); then failed=1; fi

sanitizer=$(command -v compute-sanitizer || find /usr/local/cuda*/bin -name compute-sanitizer 2> /dev/null | head -n 1 || true)
{
  echo
  echo "## compute-sanitizer, small sizes"
  echo
} >> "$output/gpu.md"
for tool in memcheck racecheck initcheck synccheck; do
  if [[ -z $sanitizer ]]; then
    echo "- $tool: not yet run on a GPU (compute-sanitizer is not installed)" >> "$output/gpu.md"
    continue
  fi
  echo "compute-sanitizer $tool"
  if "$sanitizer" --tool "$tool" --error-exitcode 9 build-gpu/gpu_check --small conformance training augmentation \
    > "build-gpu/$tool.log" 2>&1; then
    echo "- $tool: passed" >> "$output/gpu.md"
  else
    failed=1
    echo "- $tool: FAILED: $(grep -m 1 -E '=========.*(Invalid|Error|hazard|ERROR SUMMARY|not supported)' "build-gpu/$tool.log" || tail -n 1 "build-gpu/$tool.log")" >> "$output/gpu.md"
    tail -n 20 "build-gpu/$tool.log"
  fi
done

if python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2> /dev/null; then
  sizes=()
  if ((${#small[@]})); then sizes=(--sizes 3x16x40); fi
  python3 -B tools/bench_torch.py "${sizes[@]}" --gamlp "$output/gpu.json" --json "$output/torch.json" \
    --markdown "$output/gpu.md" || failed=1
else
  printf '\n## Against PyTorch\n\nnot yet run on a GPU: there is no PyTorch that can use it\n' >> "$output/gpu.md"
fi

{
  echo
  echo "Made by \`tools/gpu_check.sh${small:+ --small}\` on $(date --utc +%F), commit $(git rev-parse --short HEAD 2> /dev/null || echo unknown)," \
    "driver $(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2> /dev/null | head -n 1 || echo unknown)."
} >> "$output/gpu.md"
echo "record: $output/gpu.md, $output/gpu.json"
exit "$failed"
