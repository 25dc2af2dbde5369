#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `./dev soak --minutes N`: round after round of the long regimes, each with a fresh seed,
# and of every fuzz target, until the time is over; once, every planted bug, and 2,000 pushes into PostgreSQL that are killed
# or cut off, and S3 on a gateway that keeps its objects on a disk. A line of the ledger at the end of
# docs/testing.md says what was run and which seeds failed; a failing seed replays with
# CAIRN_TEST_SEED=SEED CAIRN_TEST_SCALE=long and the same test.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

minutes=
while (($#)); do
  case $1 in
    --minutes) minutes=${2:?--minutes takes a number} && shift 2 ;;
    *) echo "soak: unknown option $1" >&2 && exit 2 ;;
  esac
done
[[ $minutes =~ ^[1-9][0-9]*$ ]] || {
  echo "usage: ./dev soak --minutes N" >&2
  exit 2
}

jobs=${JOBS:-$(nproc)}
logs=build/soak-logs
mkdir -p "$logs"
for preset in dev fuzz; do
  [[ -f build/$preset/build.ninja ]] || cmake --preset "$preset" >/dev/null || exit 1
done
cmake --build build/dev -j "$jobs" || exit 1
basename -s .cc tests/fuzz/*_fuzz.cc | xargs cmake --build build/fuzz -j "$jobs" --target || exit 1

end=$((SECONDS + minutes * 60))
rounds=0
tests=0
executions=0
failed=()
while ((SECONDS < end)); do
  seed=$(od -An -N7 -tu8 /dev/urandom | tr -d ' ')
  rounds=$((rounds + 1))
  echo "== round $rounds, seed $seed"
  log=$logs/$seed.log
  CAIRN_TEST_SEED=$seed CAIRN_TEST_SCALE=long ctest --test-dir build/dev -j "$jobs" --output-on-failure --no-tests=error \
    -LE 'scripts|fuzz' >"$log" 2>&1 || failed+=("$seed")
  tests=$((tests + $(sed -nE 's/.* out of ([0-9]+)$/\1/p' "$log" | tail -n 1)))
  tail -n 3 "$log"
  if ((rounds == 1)); then
    CAIRN_BINARY_DIR=$PWD/build/dev tests/scripts/planted_bugs_test.py all >"$logs/planted-bugs.log" 2>&1 || failed+=("planted-bugs")
    tail -n 1 "$logs/planted-bugs.log"
    # On a disk, and not in memory as in every other run.
    STORE=bluestore ctest --test-dir build/dev -R '^scripts\.(s3_on_radosgw|mirror|wire_faults_on_radosgw)_test$' \
      --output-on-failure >"$logs/bluestore.log" 2>&1 || failed+=("bluestore:$seed")
    # 77: there is no server here.
    if PUSH_PROCESS=build/dev/tests/push_process CAIRN_TEST_SEED=$seed tests/replication/postgres_kill_test.py --sequences 2000 \
      --seconds $((end > SECONDS ? end - SECONDS : 0)) >"$logs/postgres-kill.log" 2>&1 || (($? == 77)); then
      tail -n 1 "$logs/postgres-kill.log"
    else
      failed+=("postgres-kill:$seed")
    fi
  fi
  for program in build/fuzz/tests/fuzz/*_fuzz; do
    ((SECONDS < end)) || break
    name=$(basename "$program" _fuzz)
    mkdir -p "build/fuzz/corpus/$name" build/fuzz/found
    "$program" -seed="$((seed % 4294967295))" -max_total_time=60 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="build/fuzz/found/$name-" "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" \
      >"$logs/fuzz-$name.log" 2>&1 || failed+=("$name:$seed")
    executions=$((executions + $(sed -nE 's/^stat::number_of_executed_units: *([0-9]+)/\1/p' "$logs/fuzz-$name.log" | tail -n 1)))
  done
done

printf '| %s | %s | %d | %d | %d | %d | %s |\n' "$(date -u +%F)" "$(git describe --always --dirty)" "$minutes" "$rounds" \
  "$tests" "$executions" "${failed[*]:-none}" | tee -a docs/testing.md
((${#failed[@]} == 0))
