#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A store's way into PostgreSQL beside COPY and INSERT of the same rows, on a server of its own, in the same run.
#
#   bench/postgres/run.sh [--rows N] [--rounds N] [--dir DIR] [options of compare.py]
#
# --dir (default build/postgres) takes a store and a database of the rows, some 2 KB for each of both together.
#
# Expected: a COPY of evaluations and results into their tables is bound by the server, which fills eight indexes and
# looks up the store of each row: some 40,000 rows a second of one core. The mirror reads, decodes and encodes them on the
# other core meanwhile, in half of that time.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

dir=$root/build/postgres
rest=()
while (($#)); do
  case $1 in
    --dir) dir=${2:?--dir takes a folder} && shift 2 ;;
    *) rest+=("$1") && shift ;;
  esac
done

build=$(realpath -m "${CAIRN_BUILD:-$root/build/release}")
for tool in psql "$build/bench/mirror_rows"; do
  command -v "$tool" >/dev/null || {
    echo "run.sh: $tool is missing: ./dev setup all, ./dev build release" >&2
    exit 1
  }
done
mkdir -p "$dir"
exec /usr/bin/python3 "$root/bench/postgres/compare.py" --work "$dir" --mirror-rows "$build/bench/mirror_rows" "${rest[@]}"
