#!/usr/bin/env bash
# Compiles what of gamlp uses a library or tool against the newest release of it, one after the other, and prints a table.
#   tools/check_newest.sh                    all parts, in a temporary folder
#   tools/check_newest.sh --work FOLDER      in this folder, which keeps the downloads and the builds
#   tools/check_newest.sh PART …             of: cmake nlohmann_json cli11 valijson catch2 onednn nccl cuda
# PyPI has most of them. CLI11, valijson and Catch2 come from the last tag of their repositories or, where these cannot be
# reached, from Debian's newest suite (sid), unpacked and not installed. Downloads about 1 GB; not part of CI.
# tools/check_mpis.py does the same for MPI. Needs what tools/setup.sh installs, and python3 with venv.
# Environment: JOBS (default: number of cores), GIT_BASE (default: https://github.com).
# Exit status: 0 all parts hold, 1 one broke or was not to be had, 2 wrong command line.
# shellcheck disable=SC2317  # the part_ functions are called by name
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source_folder=$PWD

all_parts=(cmake nlohmann_json cli11 valijson catch2 onednn nccl cuda)
parts=()
work=
while (($#)); do
  case "$1" in
    --work)
      work=${2:?check_newest: --work needs a folder}
      shift
      ;;
    -h | --help)
      sed -n '2,/^# Exit/s/^# \{0,1\}//p' "$source_folder/tools/check_newest.sh"
      exit 0
      ;;
    *)
      if [[ " ${all_parts[*]} " != *" $1 "* ]]; then
        echo "check_newest: unknown argument $1 (parts: ${all_parts[*]})" >&2
        exit 2
      fi
      parts+=("$1")
      ;;
  esac
  shift
done
((${#parts[@]})) || parts=("${all_parts[@]}")
if [[ -z $work ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi
mkdir -p "$work"
work=$(cd "$work" && pwd)
log=$work/log
cmake=cmake
launcher=()
if command -v ccache > /dev/null; then
  launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi

# ---- where releases come from: each sets `folder`, `version` and `origin`, and fails where there is none ----------------
from_pypi() { # the package that gives the version, then others that it needs
  folder=$work/pypi-$1
  origin=PyPI
  python3 -m venv "$folder" || return
  "$folder/bin/pip" install --quiet --upgrade --no-compile "$@" || return
  local record
  record=$(find "$folder" -name "${1//-/_}-*.dist-info" | sort --version-sort | tail -n 1)
  record=${record%.dist-info}
  version=${record##*-}
}

from_git() { # owner/repository
  local url=${GIT_BASE:-https://github.com}/$1
  version=$(GIT_TERMINAL_PROMPT=0 timeout 60 git ls-remote --tags --refs --sort=-version:refname "$url" |
    sed -nE 's|.*refs/tags/(v?[0-9]+(\.[0-9]+)+)$|\1|p' | sed -n 1p) || return
  [[ -n $version ]] || return
  folder=$work/git-${1##*/}-$version
  origin=git
  [[ -d $folder ]] || git -c advice.detachedHead=false clone --quiet --depth 1 --branch "$version" "$url" "$folder"
}

from_debian() { # packages; the first one gives the version
  local state=$work/apt
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
  : > "$state/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian sid main" > "$state/sources"
  local private=(-o "Dir::Etc::SourceList=$state/sources" -o Dir::Etc::SourceParts=- -o "Dir::State=$state"
    -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache" -o APT::Sandbox::User=root)
  apt-get "${private[@]}" --quiet=2 --error-on=any update || return
  version=$(apt-cache "${private[@]}" policy "$1" | sed -nE 's/^ *Candidate: //p')
  [[ -n $version ]] || return
  folder=$work/debian-$1-$version
  origin="Debian sid"
  [[ -d $folder ]] && return
  mkdir -p "$folder"
  (cd "$folder" && apt-get "${private[@]}" --quiet=2 download "$@") || return
  local package
  for package in "$folder"/*.deb; do dpkg -x "$package" "$folder"; done
}

# ---- building ---------------------------------------------------------------------------------------------------------
configure() { # part, options of CMake
  tree=$work/build-$1
  "$cmake" -S "$source_folder" -B "$tree" -G Ninja --fresh -DCMAKE_BUILD_TYPE=Release -DGAMLP_CUDA=off -DGAMLP_MPI=off \
    -DGAMLP_WERROR=ON -DGAMLP_UNITY=OFF "${launcher[@]}" "${@:2}"
}

build() { nice "$cmake" --build "$tree" --parallel "${JOBS:-$(nproc)}" --target "$@"; }

# Objects of these sources, made with headers of that folder: those of the machine could have come first.
compile_with() { # folder, sources
  local targets=() each
  for each in "${@:2}"; do targets+=("$source_folder/$each^"); done
  build "${targets[@]}" || return
  if ! ninja -C "$tree" -t deps | grep --fixed-strings "$1" > /dev/null; then
    echo "error: the build did not read $1"
    return 1
  fi
}

compile_headers() { # part, folder of headers, sources
  if [[ ! -d $2 ]]; then
    echo "error: no such headers in $folder"
    return 1
  fi
  configure "$1" -DGAMLP_TESTS=OFF "-DCMAKE_CXX_FLAGS=-isystem $2" && compile_with "${@:2}"
}

# ---- the parts: get_ sets the version, then part_ builds ---------------------------------------------------------------
get_cmake() { from_pypi cmake; }
part_cmake() {
  cmake=$(echo "$folder"/lib/python*/site-packages/cmake/data/bin/cmake)
  configure cmake && build gamlp_graph
}

get_nlohmann_json() { from_pypi nlohmann-json; }
part_nlohmann_json() {
  compile_headers nlohmann_json "$(echo "$folder"/lib/python*/site-packages/nlohmann_json/include)" \
    host/config/{json_text,overrides,parse,schema}.cpp
}

get_cli11() { from_git CLIUtils/CLI11 || from_debian libcli11-dev; }
part_cli11() { compile_headers cli11 "$(include_of CLI)" host/cli/{program,predict,plan}.cpp; }

get_valijson() { from_git tristanpenman/valijson || from_debian libvalijson-dev; }
part_valijson() { compile_headers valijson "$(include_of valijson)" host/config/schema.cpp; }

get_catch2() { from_git catchorg/Catch2 || from_debian libcatch2-dev; }
part_catch2() {
  local config
  if [[ $origin == git ]]; then
    cmake -S "$folder" -B "$folder/build" -G Ninja -DCATCH_DEVELOPMENT_BUILD=OFF "-DCMAKE_INSTALL_PREFIX=$folder/installed" &&
      nice cmake --build "$folder/build" --target install || return
  fi
  config=$(find "$folder" -path '*/cmake/Catch2/Catch2Config.cmake' | tail -n 1)
  # Debian's library may need a newer C library than this machine has, so nothing is linked.
  configure catch2 -DGAMLP_TESTS=ON "-DCatch2_DIR=${config%/*}" &&
    compile_with "$folder" tests/support/catch_main.cpp tests/core/files_test.cpp tests/graph/normalize_test.cpp
}

get_onednn() {
  from_pypi onednn onednn-devel tbb-devel || return
  version="$(sed -nE 's/^#define DNNL_VERSION_(MAJOR|MINOR|PATCH) +([0-9]+).*/\2/p' "$folder/include/oneapi/dnnl/dnnl_version.h" |
    paste -s -d .) (wheel $version)"
}
part_onednn() {
  export LD_LIBRARY_PATH=$folder/lib
  configure onednn "-DDNNL_INCLUDE=$folder/include" "-DDNNL_LIBRARY=$folder/lib/libdnnl.so" "-DTBB_DIR=$folder/lib/cmake/tbb" &&
    build test_cpu && "$tree/tests/cpu/test_cpu"
}

get_nccl() { from_pypi nvidia-nccl-cu13 nvidia-cuda-runtime nvidia-cuda-crt; }
part_nccl() {
  local include=()
  while read -r each; do include+=(-isystem "$each"); done < <(find "$folder" -type d -path '*/nvidia/*/include')
  g++ -std=c++20 -O1 -Wall -Wextra -Werror -DGAMLP_WITH_NCCL -I. "${include[@]}" -c cuda/comm/nccl_transport.cpp -o "$folder/nccl.o"
}

get_cuda() { from_pypi nvidia-cuda-nvcc nvidia-cuda-crt nvidia-nvvm nvidia-cuda-runtime nvidia-cuda-cccl; }
part_cuda() {
  local nvcc each
  nvcc=$(find "$folder" -path '*/bin/nvcc' -type f)
  for each in softmax_step p_project z_step; do
    # As cuda/CMakeLists.txt has it, for one architecture.
    nice "$nvcc" -std=c++20 -O3 -I. -arch=sm_100 -fmad=false --expt-relaxed-constexpr -diag-suppress=554 -Werror=all-warnings \
      -Xptxas=--warn-on-spills,-Werror -Xcompiler=-ffp-contract=off,-Wall -c "cuda/kernels/$each.cu" -o "$folder/$each.o" || return
  done
}

include_of() { # folder of headers: of what was got, the folder that holds it
  local found
  found=$(find "$folder" -type d -path "*/include/$1")
  echo "${found%/*}"
}

first_errors() {
  local lines
  lines=$(grep --max-count=2 -E 'error:|ERROR:|CMake Error|undefined reference' "$log" || tail -n 2 "$log")
  echo "${lines//$'\n'/ — }" | sed "s|$work/||g; s/|/\\\\|/g"
}

failed=0
echo "$(date +%F), $(g++ --version | sed -n 1p)"
echo
echo "| part | version | from | result |"
echo "|---|---|---|---|"
for part in "${parts[@]}"; do
  version="" origin=""
  if ! "get_$part" > "$log" 2>&1; then
    result="not to be had: $(first_errors)"
    failed=1
  elif ("part_$part") > "$log" 2>&1; then
    result=ok
  else
    result="broke: $(first_errors)"
    failed=1
  fi
  echo "| $part | $version | $origin | $result |"
done
exit "$failed"
