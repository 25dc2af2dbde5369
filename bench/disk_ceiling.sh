#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the disk under a folder can do, as fio measures it: one sequential stream of 1 MiB
# with 8 in flight, past the page cache, the write ended by a sync. Every figure of Cairn's
# is to be read beside these, from the same run.
#
#   bench/disk_ceiling.sh [--json] [--write] [--ordinary-pages] DIR SIZE
#
# SIZE as fio takes it, such as 1g; --write measures that direction alone.
#
# Where O_DIRECT is refused (tmpfs) it measures through the page cache and says so.
set -euo pipefail

json=false
write_only=false
huge=1
while [[ ${1:-} == --* ]]; do
  case $1 in
    --json) json=true ;;
    --write) write_only=true ;;
    --ordinary-pages) huge=0 ;;
    *) echo "disk_ceiling.sh: no such option: $1" >&2 && exit 2 ;;
  esac
  shift
done
dir=${1:?usage: disk_ceiling.sh [--json] [--write] [--ordinary-pages] DIR SIZE}
size=${2:?usage: disk_ceiling.sh [--json] [--write] [--ordinary-pages] DIR SIZE}
command -v fio >/dev/null || {
  echo "disk_ceiling.sh: fio is missing: ./dev setup bench" >&2
  exit 1
}
file=$(mktemp "$dir/disk-ceiling.XXXXXX")
trap 'rm -f "$file"' EXIT

direct=1
dd if=/dev/zero of="$file" bs=4096 count=1 oflag=direct status=none 2>/dev/null || direct=0

# fio's buffers lie on huge pages, as Cairn's own do: from scattered pages of 4 KiB some devices
# read at half the rate, and at another one in every run.
measure() { # bytes per second of one direction
  GLIBC_TUNABLES=glibc.malloc.hugetlb=$huge fio --name=ceiling --filename="$file" --rw="$1" --bs=1m --size="$size" --iodepth=8 --ioengine=libaio \
    --direct="$direct" --end_fsync=1 --invalidate=1 --output-format=json |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["jobs"][0][sys.argv[1]]["bw_bytes"])' "$1"
}

write=$(measure write)
read=0
$write_only || read=$(measure read)
if $json; then
  echo "{\"write_bw_bytes\": $write, \"read_bw_bytes\": $read, \"direct\": $direct}"
else
  awk -v w="$write" -v r="$read" -v d="$direct" -v s="$size" 'BEGIN {
    printf "fio, %s, %s: write %.2f GB/s, read %.2f GB/s\n", s, d ? "O_DIRECT" : "page cache (O_DIRECT refused)", w / 1e9, r / 1e9 }'
fi
