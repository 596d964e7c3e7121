#!/usr/bin/env bash
# What a machine with an NVIDIA GPU shows of gamlp's CUDA devices, and a record of it. Needs a CUDA toolkit, a C++20
# compiler and CMake; none of the libraries that gamlp itself needs.
#   tools/gpu_check.sh [--small] [--output FOLDER] [--arch ARCH] [--limit SECONDS]
# Builds tests/gpu (in build-gpu/), runs the conformance suite, whole stages and augmentation against the CPU, messages by
# NCCL (to itself; between processes that share the GPU, where NCCL lets them), the rates of kernels and iterations,
# compute-sanitizer's four tools on small sizes, and PyTorch beside it (tools/bench_torch.py) where that is installed;
# then writes FOLDER/gpu.json and FOLDER/gpu.md (default: tests/results/gpu). Exit status 0 when all passed.
#   --small   small sizes only, for a first look      --arch  e.g. 90-real (default: the GPU's own)
#   --limit   of each sanitizer (default: 900)
# The sanitizers run beside each other and beside what compares results; rates are measured when they have ended.
# Without git the commit in the record is that of the environment's GAMLP_COMMIT.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

output=tests/results/gpu
arch=native
limit=900
small=()
while (($#)); do
  case "$1" in
    --small) small=(--small) ;;
    --output) output=${2:?"--output needs a folder"} && shift ;;
    --arch) arch=${2:?"--arch needs an architecture"} && shift ;;
    --limit) limit=${2:?"--limit needs seconds"} && shift ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0" && exit 0 ;;
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

tools=(memcheck racecheck initcheck synccheck)
sanitizer=$(command -v compute-sanitizer || find /usr/local/cuda*/bin -name compute-sanitizer 2> /dev/null | head -n 1 || true)
# sanitize TOOL: its line of the record in build-gpu/TOOL.line.
sanitize() {
  local tool=$1 status=0 start=$SECONDS
  timeout "$limit" "$sanitizer" --tool "$tool" --error-exitcode 9 build-gpu/gpu_check --small conformance training augmentation \
    > "build-gpu/$tool.log" 2>&1 || status=$?
  if ((status == 0)); then
    echo "- $tool: passed ($((SECONDS - start)) s)"
  elif ((status == 124)); then
    echo "- $tool: FAILED: did not end in $limit s"
  else
    echo "- $tool: FAILED: $(grep -m 1 -E '=========.*(Invalid|Error|hazard|ERROR SUMMARY: [1-9]|not supported)|^- ' "build-gpu/$tool.log" || tail -n 1 "build-gpu/$tool.log")"
  fi > "build-gpu/$tool.line"
}
sanitize_all() {
  local tool
  if [[ -n $sanitizer ]]; then
    for tool in "${tools[@]}"; do sanitize "$tool" & done
    wait
  else
    for tool in "${tools[@]}"; do
      echo "- $tool: not yet run on a GPU (compute-sanitizer is not installed)" > "build-gpu/$tool.line"
    done
  fi
  touch build-gpu/sanitized
}
rm -f build-gpu/sanitized build-gpu/*.line
sanitize_all &

failed=0
status=0
build-gpu/gpu_check "${small[@]}" --wait build-gpu/sanitized --json "$output/gpu.json" --markdown "$output/gpu.md" || status=$?
wait
if ((status == 77)); then exit 77; fi
if ((status != 0)); then failed=1; fi
{
  echo
  echo "## compute-sanitizer, small sizes"
  echo
  for tool in "${tools[@]}"; do cat "build-gpu/$tool.line"; done
} | tee -a "$output/gpu.md"
if grep -q FAILED build-gpu/*.line; then failed=1; fi

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
  echo "Made by \`tools/gpu_check.sh${small:+ --small}\` on $(date --utc +%F), commit ${GAMLP_COMMIT:-$(git rev-parse --short HEAD 2> /dev/null || echo unknown)}," \
    "driver $(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2> /dev/null | head -n 1 || echo unknown)."
} >> "$output/gpu.md"
echo "record: $output/gpu.md, $output/gpu.json"
exit "$failed"
