#!/usr/bin/env bash
# Fetches what gamlp links with for aarch64 into a folder, from the machine's own Debian sources; the machine stays as it is.
#   tools/aarch64_sysroot.sh FOLDER
# The folder then serves tools/aarch64_toolchain.cmake to compile and link, and `qemu-aarch64 -L FOLDER` to run.
# Does nothing where FOLDER was filled with the same list of packages. Exit status 3: the packages cannot be had.
set -euo pipefail

folder=${1:?"usage: tools/aarch64_sysroot.sh FOLDER"}
packages=(libzip-dev zlib1g-dev libopenblas-dev liblapacke-dev libdnnl-dev)
headers=(nlohmann-json3-dev libcli11-dev libvalijson-dev catch2)  # their packages want more than their headers do
stamp=$folder/packages.txt

if [[ -f $stamp && $(< "$stamp") == "${packages[*]} ${headers[*]}" ]]; then
  echo "aarch64_sysroot: $folder is there"
  exit 0
fi
if ! command -v apt-get > /dev/null || ! command -v dpkg-deb > /dev/null; then
  echo "aarch64_sysroot: no apt-get here; fill a folder with these of Debian 12 for arm64: ${packages[*]} ${headers[*]}" >&2
  exit 3
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists,archives}/partial
# A package manager of its own: nothing installed, lists and archives in $work, all of it arm64.
apt=(apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o "Dir::State=$work" -o Dir::State::status=/dev/null
  -o "Dir::Cache=$work" -o Debug::NoLocking=true -o APT::Sandbox::User=root)
if ! "${apt[@]}" update > "$work/log" 2>&1 \
  || ! "${apt[@]}" install --yes --download-only --no-install-recommends "${packages[@]}" >> "$work/log" 2>&1 \
  || ! (cd "$work/archives" && "${apt[@]}" download "${headers[@]}" >> "$work/log" 2>&1); then
  tail -n 5 "$work/log" >&2
  echo "aarch64_sysroot: the machine's package sources do not give these for arm64: ${packages[*]} ${headers[*]}" >&2
  exit 3
fi

rm -rf "$folder"
mkdir -p "$folder/usr/lib"
ln -s usr/lib "$folder/lib"  # as on a Debian machine, which some packages rely on
for package in "$work"/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$folder" --exclude './usr/share/doc*' --exclude './usr/share/man*'
done
# What installing them would choose among the libraries of linear algebra.
libraries=$folder/usr/lib/aarch64-linux-gnu
for library in "$libraries"/openblas-pthread/*.so*; do
  ln -sf "openblas-pthread/${library##*/}" "$libraries/${library##*/}"
done
# Links by an absolute path would lead to the machine's own files.
while read -r link target; do ln -sfnr "$folder/$target" "$link"; done < <(find "$libraries" -type l -lname '/*' -printf '%p %l\n')
ln -sf ../openblas-pthread/pkgconfig/openblas.pc "$libraries/pkgconfig/openblas.pc"
echo "${packages[*]} ${headers[*]}" > "$stamp"
echo "aarch64_sysroot: filled $folder"
