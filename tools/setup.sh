#!/usr/bin/env bash
# Installs what gamlp needs and is missing: the packages below, by apt-get, on Debian 12 and its relatives.
#   tools/setup.sh           to build and run
#   tools/setup.sh --tests   also for tests, sanitizers, fuzzing, formatting and linting
#   tools/setup.sh --aarch64 also to compile for aarch64 and to run that under an emulator
# Touches nothing when all of them are there. Elsewhere it lists what is needed and ends without an error.
set -euo pipefail

packages=(g++ cmake ninja-build pkg-config nlohmann-json3-dev libcli11-dev libvalijson-dev libzip-dev zlib1g-dev
  libopenblas-dev liblapacke-dev libdnnl-dev catch2 python3-matplotlib)
test_packages=(clang clang-format clang-tidy libclang-rt-14-dev python3-numpy python3-scipy libopenmpi-dev openmpi-bin iproute2)
aarch64_packages=(g++-aarch64-linux-gnu qemu-user)

case "${1:-}" in
  "") ;;
  --tests) packages+=("${test_packages[@]}") ;;
  --aarch64) packages+=("${aarch64_packages[@]}") ;;
  -h | --help)
    sed -n '2,6s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
  *)
    echo "setup: unknown option $1 (known: --tests, --aarch64)" >&2
    exit 2
    ;;
esac

if ! command -v apt-get > /dev/null || ! command -v dpkg-query > /dev/null; then
  echo "setup: no apt-get here; these must be present (names of Debian 12): ${packages[*]}"
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  # shellcheck disable=SC2016  # dpkg-query expands ${Status} itself
  status=$(dpkg-query --show --showformat='${Status}' "$package" 2> /dev/null || true)
  [[ $status == "install ok installed" ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "setup: all ${#packages[@]} packages are installed"
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo > /dev/null; then
    echo "setup: packages are missing and there is no sudo; run this as root, then try again:" >&2
    echo "  apt-get update && apt-get install --yes --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
step() {
  echo "setup: $1"
  shift
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" > "$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "setup: failed: ${as_root[*]} $*" >&2
    exit 1
  fi
}
step "refreshing the package lists" apt-get update
step "installing ${missing[*]}" apt-get install --yes --no-install-recommends "${missing[@]}"
echo "setup: installed ${#missing[@]} packages"
