#!/usr/bin/env bash
# Builds gamlp in the ways that find different faults and runs every test.
#   tools/test.sh                 all parts
#   tools/test.sh --quick         only part release
#   tools/test.sh --only NAME     only part NAME (may be repeated)
#   tools/test.sh --no-setup      installs nothing
# Parts: release  Release build in build/, with CUDA devices where there is a toolkit, all tests
#        mutants  plants faults in what part release built, for some minutes; those that no test notices are a failure
#        asan     clang with AddressSanitizer and UndefinedBehaviorSanitizer in build-asan/, all tests
#        tsan     ThreadSanitizer in build-tsan/, tests labelled "threads"
#        fuzz     clang and libFuzzer in build-fuzz/, tests labelled "fuzz"
#        format   clang-format over the C++ sources
#        tidy     clang-tidy over host/ and the sources of cuda/ that the host compiles
#        tools    what folder includes which, whether every planted fault still finds its line, the tests of the Python
#                 tools, shellcheck where it is installed
#        aarch64  cross-compiled in build-aarch64/: under qemu-user the maths, the CPU worker's ops and a training as natively
# Environment: JOBS (default: number of cores), GAMLP_WERROR=ON (warnings of parts release and aarch64 are errors).
# shellcheck disable=SC2317  # the part_ functions are called by name
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

all_parts=(release mutants asan tsan fuzz format tidy tools aarch64)
jobs=${JOBS:-$(nproc)}
parts=()
setup=yes

usage() { sed -n '2,/^# Environment/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

while (($#)); do
  case "$1" in
    --quick) parts+=(release) ;;
    --only)
      if [[ " ${all_parts[*]} " != *" ${2:-} "* || -z ${2:-} ]]; then
        echo "test: --only needs one of: ${all_parts[*]}" >&2
        exit 2
      fi
      parts+=("$2")
      shift
      ;;
    --no-setup) setup=no ;;
    -h | --help) usage && exit 0 ;;
    *)
      echo "test: unknown option $1" >&2
      usage >&2
      exit 2
      ;;
  esac
  shift
done
((${#parts[@]})) || parts=("${all_parts[@]}")

launcher=()
if command -v ccache > /dev/null; then
  launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache)
fi

# configure FOLDER options…: keeps the generator of an earlier build.
configure() {
  local folder=$1 generator=()
  shift
  [[ -f $folder/CMakeCache.txt ]] || generator=(-G Ninja)
  cmake -S . -B "$folder" "${generator[@]}" "${launcher[@]}" -DGAMLP_TESTS=ON "$@"
}

# build FOLDER [TARGET]
build() { cmake --build "$1" --parallel "$jobs" ${2:+--target "$2"}; }

# A suite without tests is a failure: a label was lost or a folder was not built.
run_tests() {
  local folder=$1
  shift
  ctest --test-dir "$folder" --output-on-failure --no-tests=error --parallel "$jobs" "$@"
}

# sources PATTERN…: tracked and new files, ignored ones left out.
sources() {
  if git rev-parse --is-inside-work-tree > /dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard -- "$@" | sort -u | while read -r file; do
      [[ ! -f $file ]] || echo "$file"
    done
  else
    local pattern
    for pattern in "$@"; do
      find "${pattern%%/*}" -type f -name "${pattern##*/}"
    done | sort
  fi
}

part_release() {
  configure build -DCMAKE_BUILD_TYPE=Release -DGAMLP_CUDA=auto -DGAMLP_WERROR="${GAMLP_WERROR:-OFF}"
  build build
  run_tests build
}

# The first python3 of the path, or the system's, that has a module.
python_with() {
  local candidate
  for candidate in python3 /usr/bin/python3; do
    if "$candidate" -c "import $1" 2> /dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo python3
}

part_mutants() {
  "$(python_with tomllib)" -B tools/mutants.py --build build --minutes 3 --jobs "$jobs"
}

part_asan() {
  # clang compiles instrumented templates several times as fast as GCC.
  CC=clang CXX=clang++ configure build-asan -DCMAKE_BUILD_TYPE=Debug -DGAMLP_SANITIZE=address,undefined
  build build-asan
  UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 ASAN_OPTIONS=detect_stack_use_after_return=1:allocator_may_return_null=1 \
    run_tests build-asan
}

part_tsan() {
  configure build-tsan -DCMAKE_BUILD_TYPE=Debug -DGAMLP_SANITIZE=thread
  build build-tsan threads_targets
  # ThreadSanitizer cannot place its shadow memory under the address randomisation of newer kernels.
  local fixed=()
  if setarch "$(uname -m)" --addr-no-randomize true 2> /dev/null; then
    fixed=(setarch "$(uname -m)" --addr-no-randomize)
  fi
  TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 "${fixed[@]}" \
    ctest --test-dir build-tsan --output-on-failure --no-tests=error --parallel "$jobs" --label-regex threads
}

part_fuzz() {
  CC=clang CXX=clang++ configure build-fuzz -DCMAKE_BUILD_TYPE=RelWithDebInfo -DGAMLP_FUZZ=ON
  build build-fuzz fuzz_targets
  run_tests build-fuzz --label-regex fuzz
}

part_format() {
  local files
  mapfile -t files < <(sources 'host/*.cpp' 'host/*.hpp' 'tests/*.cpp' 'tests/*.hpp' 'cuda/*.cpp' 'cuda/*.hpp' 'cuda/*.cu')
  echo "${#files[@]} files"
  ((${#files[@]} == 0)) || clang-format --dry-run -Werror "${files[@]}"
}

part_tidy() {
  # Sources that are checked together have their headers read once: a quarter of the time.
  configure build-tidy -DCMAKE_BUILD_TYPE=Release -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=0 > /dev/null
  local files
  mapfile -t files < <(sed -n 's/^ *"file": "\(.*\.c[px][px]\)".*/\1/p' build-tidy/compile_commands.json \
    | grep -E "^$PWD/(build-tidy/)?(host|cuda)/" | sort)
  echo "${#files[@]} files"
  printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$jobs" clang-tidy -p build-tidy --quiet \
    --checks=-bugprone-suspicious-include --extra-arg=-Wno-unknown-warning-option --warnings-as-errors='*'
}

# Why part aarch64 cannot run; nothing where it can.
aarch64_lacks() {
  if [[ $setup == yes ]] && ! tools/setup.sh --aarch64 >&2; then
    echo "the packages of tools/setup.sh --aarch64 cannot be had"
  elif ! command -v aarch64-linux-gnu-g++ > /dev/null || ! command -v qemu-aarch64 > /dev/null; then
    echo "no aarch64-linux-gnu-g++ and qemu-aarch64: tools/setup.sh --aarch64 installs them"
  elif ! tools/aarch64_sysroot.sh build-aarch64-sysroot >&2; then
    echo "no libraries for aarch64"
  fi
}

# A gamlp of these sources for this machine: that of part release, where it was built.
native_program() {
  local folder=build
  if [[ ! -f build/CMakeCache.txt ]]; then
    folder=build-cpu
    configure "$folder" -DCMAKE_BUILD_TYPE=Release -DGAMLP_CUDA=off >&2
  fi
  build "$folder" gamlp >&2
  echo "$PWD/$folder/gamlp"
}

# Only compiled. The toolkit's headers are the same on both architectures.
aarch64_kernels() {
  local nvcc file
  nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
  if [[ ! -x $nvcc ]]; then
    echo "SKIPPED: kernels for sm_90 and sm_100 beside aarch64, there is no nvcc"
    return
  fi
  local toolkit
  toolkit=$(dirname "$(dirname "$(realpath "$nvcc")")")
  for file in scalars gather_rows q_dual; do
    echo "$nvcc $file.cu"
    "$nvcc" -std=c++20 -ccbin aarch64-linux-gnu-g++ -gencode arch=compute_90,code=sm_90 -gencode arch=compute_100,code=sm_100 \
      -isystem "$toolkit/targets/x86_64-linux/include" -I . -fmad=false --expt-relaxed-constexpr -diag-suppress=554 \
      -Xcompiler=-ffp-contract=off,-Wall -c "cuda/kernels/$file.cu" -o "build-aarch64/$file.o"
  done
}

part_aarch64() {
  local lacks native
  lacks=$(aarch64_lacks)
  if [[ -n $lacks ]]; then
    echo "aarch64: skipped, $lacks"
    return 77
  fi
  native=$(native_program)
  configure build-aarch64 -DCMAKE_TOOLCHAIN_FILE="$PWD/tools/aarch64_toolchain.cmake" -DCMAKE_BUILD_TYPE=Release -DGAMLP_CUDA=off \
    -DGAMLP_MPI=off -DGAMLP_NATIVE_PROGRAM="$native" -DGAMLP_WERROR="${GAMLP_WERROR:-OFF}"
  build build-aarch64 aarch64_targets
  run_tests build-aarch64 --label-regex aarch64
  aarch64_kernels
}

part_tools() {
  local python test skipped=""
  tools/check_floors.py
  "$(python_with tomllib)" -B tools/mutants.py --list
  python=$(python_with numpy)
  for test in tools/test_*.py; do
    echo "$python $test"
    local status=0
    "$python" -B "$test" || status=$?
    ((status == 77)) && skipped+=" $test" && continue
    ((status == 0)) || return "$status"
  done
  [[ -z $skipped ]] || echo "SKIPPED, for what is missing:$skipped"
  if command -v shellcheck > /dev/null; then
    shellcheck tools/*.sh tests/experiment/*.sh .ci/run
  fi
}

if [[ $setup == yes ]]; then
  if [[ " ${parts[*]} " == " release " ]]; then tools/setup.sh; else tools/setup.sh --tests; fi
fi

table=()
failed=0
for part in "${parts[@]}"; do
  printf '\n===== %s =====\n' "$part"
  start=$SECONDS
  # A shell of its own: `set -e` would not hold inside a function called from a condition.
  set +e
  (
    set -e
    "part_$part"
  )
  status=$?
  set -e
  result=passed
  if ((status == 77)); then
    result=skipped
  elif ((status != 0)); then
    result=FAILED
    failed=1
  fi
  seconds=$((SECONDS - start))
  table+=("$(printf '%-9s %-7s %3d:%02d' "$part" "$result" $((seconds / 60)) $((seconds % 60)))")
done

printf '\n%-9s %-7s %6s\n' part result time
printf '%s\n' "${table[@]}"
exit "$failed"
