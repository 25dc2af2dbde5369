#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Cairn's push and pull beside rclone, s3cmd and boto3: the same files, Ceph's gateway on loopback, the same run.
#
#   bench/wire/run.sh [--size MEBIBYTES] [--dir DIR] [options of compare.py]
#
# --dir (default build/wire) takes the files (default 2048 MiB, five of them), a store that has them, and what is pulled:
# three times their size. The server keeps its objects in memory, up to five times their size.
#
# Expected: the server computes an MD5 and a SHA-256 of what it takes, and shares the cores: of two, some 300 MB/s in and
# 1 GB/s out. Pushing reads, digests (BLAKE3) and signs (SHA-256) beside that; pulling digests every block, and
# every file once more, before it says anything, which is what a copy does not do.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

size=2048
dir=$root/build/wire
rest=()
while (($#)); do
  case $1 in
    --size) size=${2:?--size takes mebibytes} && shift 2 ;;
    --dir) dir=${2:?--dir takes a folder} && shift 2 ;;
    *) rest+=("$1") && shift ;;
  esac
done

build=$(realpath -m "${CAIRN_BUILD:-$root/build/release}")
for tool in rclone s3cmd radosgw ceph-mon ceph-osd "$build/api/cli/cairn" "$build/bench/wire_ceiling"; do
  command -v "$tool" >/dev/null || {
    echo "run.sh: $tool is missing: ./dev setup all, ./dev build release" >&2
    exit 1
  }
done

mkdir -p "$dir"
model=$dir/model-$size
[[ -d $model ]] || { "$root/bench/wire/make_model.py" "$model.tmp" "$size" 5 && mv "$model.tmp" "$model"; }
exec python3 "$root/bench/wire/compare.py" --model "$model" --work "$dir" --cairn "$build/api/cli/cairn" \
  --ceiling "$build/bench/wire_ceiling" "${rest[@]}"
