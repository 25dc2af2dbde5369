#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Cairn beside restic, borg and casync: the same file, the same disk, the same run.
#
#   bench/peers/run.sh [--size MEBIBYTES] [--dir DIR] [--input FILE] [options of compare.py]
#
# Without --input it makes a file of trained-like bf16 weights of that size (default 1024).
# --dir is where the input, the stores and the restored files go (default build/peers): the
# file system under it is what is measured, and it needs four times the input's size.
#
# Expected: adding reads, digests, splits and entropy-codes the input, so at most what the
# cores digest and encode (about 0.7 of the input is then written); restoring decodes and
# writes it out again, so at most what `cp` reaches in the same table.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

size=1024
dir=$root/build/peers
input=
rest=()
while (($#)); do
  case $1 in
    --size) size=${2:?--size takes mebibytes} && shift 2 ;;
    --dir) dir=${2:?--dir takes a folder} && shift 2 ;;
    --input) input=${2:?--input takes a file} && shift 2 ;;
    *) rest+=("$1") && shift ;;
  esac
done

cairn=${CAIRN:-$root/build/release/api/cli/cairn}
for tool in restic borg casync fio "$cairn"; do
  command -v "$tool" >/dev/null || {
    echo "run.sh: $tool is missing: ./dev setup bench, ./dev build release" >&2
    exit 1
  }
done

mkdir -p "$dir"
if [[ -z $input ]]; then
  input=$dir/weights-$size.safetensors
  [[ -f $input ]] || {
    echo "making $input" >&2
    "$root/bench/peers/make_weights.py" "$input.tmp" "$size" && mv "$input.tmp" "$input"
  }
fi
exec python3 "$root/bench/peers/compare.py" --input "$input" --work "$dir" --cairn "$cairn" "${rest[@]}"
