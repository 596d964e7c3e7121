#!/usr/bin/env bash
# Installs what is missing, builds gamlp and trains the example of configs/quickstart.json.
#   tools/quickstart.sh [options of gamlp train …]     e.g. tools/quickstart.sh --devices cpu:2
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools/setup.sh
launcher=()
if command -v ccache > /dev/null; then
  launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache)
fi
generator=()
[[ -f build/CMakeCache.txt ]] || generator=(-G Ninja)
# CUDA devices take minutes to compile for all architectures: for this machine's GPU only, and not without one.
if command -v nvidia-smi > /dev/null && nvidia-smi -L 2> /dev/null | grep -q GPU; then
  cuda=(-DGAMLP_CUDA=auto -DCMAKE_CUDA_ARCHITECTURES=native)
else
  cuda=(-DGAMLP_CUDA=off)
fi
echo "build: Release, in build/"
mkdir -p build
cmake -S . -B build "${generator[@]}" -DCMAKE_BUILD_TYPE=Release "${launcher[@]}" "${cuda[@]}" > build/configure.log 2>&1 || {
  tail -n 30 build/configure.log >&2
  exit 1
}
cmake --build build --target gamlp --parallel

run=runs/quickstart
for ((n = 2; ; n++)); do
  [[ -e $run ]] || break
  run=runs/quickstart-$n
done
gamlp=build/gamlp
[[ -x $gamlp ]] || gamlp=$(find build -type f -name gamlp -perm -u+x -print -quit)
if [[ -z $gamlp ]]; then
  echo "quickstart: the build made no program called gamlp" >&2
  exit 1
fi
"$gamlp" train configs/quickstart.json --run "$run" "$@"

cat << END

The run is in $run:
  config.json        every setting, resolved: training from it repeats the run
  metrics.jsonl      one line per epoch          result.json         the result
  best.safetensors   weights of the best epoch
Next:
  $gamlp evaluate $run
  $gamlp predict $run
  tools/plot.py $run -o quickstart.png
END
