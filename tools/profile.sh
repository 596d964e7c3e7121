#!/usr/bin/env bash
# Profiles some epochs of a training on CUDA devices by Nsight Systems and prints the summaries that matter.
#   tools/profile.sh CONFIG [FIRST:COUNT] [options of gamlp train …]      e.g. tools/profile.sh configs/cora_100.json 50:5
# FIRST:COUNT: epochs in the window (default 20:5). Writes runs/profile.nsys-rep, which nsys-ui opens.
# Needs nsys, an NVIDIA GPU, and build/gamlp with CUDA devices.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if (($# == 0)) || [[ $1 == -h || $1 == --help ]]; then
  sed -n '2,5s/^# \{0,1\}//p' "$0"
  exit $(($# == 0 ? 2 : 0))
fi
config=$1
shift
window=20:5
if (($#)) && [[ $1 =~ ^[0-9]+:[0-9]+$ ]]; then
  window=$1
  shift
fi
if ! command -v nsys > /dev/null; then
  echo "profile: nsys (Nsight Systems) is not installed" >&2
  exit 1
fi
if [[ ! -x build/gamlp ]]; then
  echo "profile: build/gamlp is missing: cmake --preset cuda && cmake --build --preset cuda" >&2
  exit 1
fi
mkdir -p runs
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
# The window is the program's (cudaProfilerStart and Stop); inside it ops are launched one by one, under their ranges.
nsys profile --trace=cuda,nvtx,cublas,cusolver,osrt --capture-range=cudaProfilerApi --capture-range-end=stop \
  --force-overwrite=true --output=runs/profile \
  build/gamlp train "$config" --devices cuda:all --run "$run/run" --profile "$window" --quiet "$@"
for report in cuda_gpu_kern_sum cuda_gpu_mem_time_sum nvtx_gpu_proj_sum nvtx_kern_sum; do
  echo
  echo "== $report"
  nsys stats --force-export=true --report "$report" --format table runs/profile.nsys-rep | head -n 40
done
echo
echo "open runs/profile.nsys-rep with nsys-ui"
