#!/usr/bin/env bash
# CMake 3.30 takes UNITY_BUILD on a target of CUDA sources without a word, and compiles them one by one. From 3.31 on it joins them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/cuda"
"$folder/cuda/bin/pip" install --quiet --no-compile nvidia-cuda-nvcc==13.5.37 nvidia-cuda-crt==13.5.37 nvidia-nvvm==13.5.37 \
  nvidia-cuda-runtime==13.5.37 nvidia-cuda-cccl==13.3.5.0.6
toolkit=$(dirname "$(dirname "$(find "$folder/cuda" -path '*/bin/nvcc' -type f)")")
mkdir "$folder/source"
cat > "$folder/source/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.18)
project(kernels LANGUAGES CUDA)
add_library(kernels STATIC a.cu b.cu c.cu)
set_target_properties(kernels PROPERTIES UNITY_BUILD ON)
CMAKE
for name in a b c; do echo "__global__ void $name() {}" > "$folder/source/$name.cu"; done

# What is compiled of the three sources.
compiled() {
  python3 -m venv "$folder/$1"
  "$folder/$1/bin/pip" install --quiet --no-compile "cmake==$1"
  "$folder/$1/bin/cmake" -G "Unix Makefiles" -S "$folder/source" -B "$folder/build-$1" -Wdev -DCMAKE_CUDA_ARCHITECTURES=90 \
    -DCMAKE_CUDA_COMPILER="$toolkit/bin/nvcc" -DCMAKE_CUDA_COMPILER_FORCED=ON -DCMAKE_EXPORT_COMPILE_COMMANDS=ON > "$folder/log-$1" 2>&1
  if grep -qi warning "$folder/log-$1"; then echo "warned:" && cat "$folder/log-$1"; fi
  python3 -c 'import json, os, sys; print(*sorted(os.path.basename(entry["file"]) for entry in json.load(open(sys.argv[1]))))' \
    "$folder/build-$1/compile_commands.json"
}
old=$(compiled 3.30.9) new=$(compiled 3.31.10)
echo "a target of a.cu, b.cu and c.cu with UNITY_BUILD ON compiles"
echo "  CMake 3.30.9:  $old"
echo "  CMake 3.31.10: $new"
if [[ $old != "a.cu b.cu c.cu" || $new != "unity_0_cu.cu" ]]; then
  echo "CHANGED: this is no longer so"
  exit 1
fi
