#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `./dev bench [NAME...]`: the benchmark programs whose names hold one of the words given
# (all without one), after the disk's own ceiling. Eight words measure more, each with options
# of its own: `throughput` the command beside the disk, `ingest` what putting values costs,
# `peers` the command beside other tools, `wire` its push and pull beside tools for S3, `postgres` rows on their way into PostgreSQL beside COPY, `prune` giving back space beside restic, `deltas` what
# the next version of trained weights costs, `family` a chain of 200 checkpoints and 50 related models. BENCH_DIR is the folder to measure in (default:
# build/bench-data).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dir=${BENCH_DIR:-$PWD/build/bench-data}
mkdir -p "$dir"
if [[ ${1:-} == peers ]]; then
  exec bench/peers/run.sh --dir "$dir" "${@:2}"
fi
if [[ ${1:-} == wire ]]; then
  exec bench/wire/run.sh --dir "$dir" "${@:2}"
fi
if [[ ${1:-} == postgres ]]; then
  exec bench/postgres/run.sh --dir "$dir/postgres" "${@:2}"
fi
if [[ ${1:-} == prune ]]; then
  exec bench/peers/prune.py --work "$dir" --cairn "$PWD/build/release/api/cli/cairn" "${@:2}"
fi
if [[ ${1:-} == deltas ]]; then
  bench/deltas/train_pairs.py "$dir/deltas-pairs"
  exec bench/deltas/compare.py --pairs "$dir/deltas-pairs" --work "$dir" --cairn "$PWD/build/release/api/cli/cairn" "${@:2}"
fi
if [[ ${1:-} == family ]]; then
  bench/deltas/train_family.py "$dir/deltas-family"
  exec bench/deltas/family.py --family "$dir/deltas-family" --work "$dir" --cairn "$PWD/build/release/api/cli/cairn" "${@:2}"
fi
if [[ ${1:-} == throughput ]]; then
  exec bench/throughput.py --dir "$dir" "${@:2}"
fi
if [[ ${1:-} == ingest ]]; then
  exec build/release/bench/ingest --dir "$dir" "${@:2}"
fi

echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, $(stat -f -c %T "$dir"), commit $(git describe --always --dirty)"
bench/disk_ceiling.sh "$dir" 1g
status=0
ran=0
for program in build/release/bench/*_bench; do
  [[ -x $program ]] || continue
  wanted=$(($# == 0))
  for word in "$@"; do
    if [[ $(basename "$program") == *"$word"* ]]; then wanted=1; fi
  done
  ((wanted)) || continue
  echo
  echo "== $(basename "$program")"
  BENCH_DIR=$dir "$program" || status=1
  ran=$((ran + 1))
done
((ran > 0)) || {
  echo "no benchmark is called like that: $*" >&2
  exit 1
}
exit "$status"
