#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The stages of `./dev test` (quick) and `./dev test --all` (all). A failed stage does not
# stop the next; the last line sums up, and the exit status says whether all of it held.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

budget=${1:?quick or all}
jobs=${JOBS:-$(nproc)}
fuzz_seconds=${FUZZ_SECONDS:-25}
tidy_seconds=${TIDY_SECONDS:-90}
logs=build/test-logs
mkdir -p "$logs"

passed=0
failed=0
report=()
broken_stages=()

# stage NAME COMMAND...: a stage that runs CTest counts its tests, any other counts as one.
stage() {
  local name=$1 log=$logs/$1.log began=$SECONDS status tests broken words
  shift
  echo "== $name"
  "$@" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  words=$(sed -nE 's/^[0-9]+% tests passed, ([0-9]+) tests? failed out of ([0-9]+)$/\1 \2/p' "$log" | tail -n 1)
  read -r broken tests <<<"${words:-$((status != 0)) 1}"
  # The command's own verdict counts even when every test that ran was fine, and a suite
  # in which nothing ran shows nothing.
  if ((status != 0 && broken == 0)); then broken=1; fi
  if ((tests == 0)); then tests=1 broken=1; fi
  if ((broken > tests)); then tests=$broken; fi
  passed=$((passed + tests - broken))
  failed=$((failed + broken))
  if ((broken > 0)); then broken_stages+=("$name"); fi
  report+=("$(printf '%-22s %5d passed %4d failed %6d s' "$name" $((tests - broken)) "$broken" $((SECONDS - began)))")
  echo "-- $name: ${report[-1]##*failed }, exit status $status"
  return "$status"
}

# What a stage that failed had to say, short enough for the end of a long log: the last lines
# of each test that failed, or of the whole stage.
complaint() {
  local log=$logs/$1.log lines=40
  echo "== what failed in $1"
  if ! grep -qE '\*\*\*(Failed|Timeout|Exception|Not Run)' "$log"; then
    tail -n "$lines" "$log"
    return
  fi
  awk -v lines="$lines" '
    function flush(i, from) {
      if (!inside) return
      print head
      from = count > lines ? count - lines : 0
      for (i = from; i < count; ++i) print text[i]
      inside = 0
    }
    /^ *[0-9]+\/[0-9]+ Test +#|^ +Start +[0-9]+:|^[0-9]+% tests passed/ { flush() }
    /\*\*\*(Failed|Timeout|Exception|Not Run)/ && /Test +#/ { inside = 1; count = 0; head = $0; gsub(/\.\.\.+/, "...", head); next }
    inside { text[count++] = $0 }
    END { flush() }' "$log"
}

# A folder that an older preset configured is configured anew.
build() {
  [[ -f build/$1/build.ninja && ! CMakePresets.json -nt build/$1/CMakeCache.txt ]] ||
    cmake --fresh --preset "$1" >/dev/null || return
  cmake --build "build/$1" -j "$jobs" "${@:2}"
}

# The areas whose tests run threads beside each other, and the programs to build for a
# preset that runs these or the fuzz targets alone.
concurrent_areas() { sed -nE 's/^ *cairn_tests\(([a-z_]+) .*\bCONCURRENT\b.*/\1/p' tests/CMakeLists.txt; }
# They cut, fail or damage one scenario hundreds of times, which shows threads nothing new.
sweeps() { echo '(PowerLoss|HealSweep|Fault)Test\.|\.ACutA|\.AFailureA'; }
concurrent_programs() { concurrent_areas | sed 's/^/test_/'; }
fuzz_programs() { basename -s .cc tests/fuzz/*_fuzz.cc; }
targets() { printf -- '--target %s ' "$@"; }

# One test more than there are processors: many wait for the disk.
suite() {
  local preset=$1
  shift
  ctest --test-dir "build/$preset" -j $((jobs + 1)) --output-on-failure --no-tests=error "$@"
}

header_sets() { cmake --build build/dev -j "$jobs" --target all_verify_interface_header_sets; }

format_check() { git ls-files '*.cc' '*.h' | xargs clang-format --dry-run --Werror; }

# The newest work first; files are not started once the time is over, and the count says so.
tidy() {
  local deadline=$((SECONDS + tidy_seconds)) status=0 done_files=0 file
  local -a files
  mapfile -t files < <({ git diff --name-only HEAD; git log -n 50 --name-only --format=; git ls-files; } |
    grep -E '^(engine|api|replication)/.*\.cc$' | awk '!seen[$0]++' | while read -r file; do [[ -f $file ]] && echo "$file"; done)
  local batch=$jobs i
  for ((i = 0; i < ${#files[@]} && SECONDS < deadline; i += batch)); do
    printf '%s\n' "${files[@]:i:batch}" |
      xargs -P "$jobs" -n 1 clang-tidy --quiet -p build/dev 2>/dev/null || status=1
    done_files=$((i + batch < ${#files[@]} ? i + batch : ${#files[@]}))
  done
  echo "clang-tidy read $done_files of ${#files[@]} files"
  ((done_files > 0)) && return "$status"
}

# A libFuzzer program starts from its tracked corpus, keeps new inputs in the build folder,
# and leaves what broke it in found/, to be added to tests/fuzz/corpus as a test.
fuzz_one() {
  local program=$1 name corpus
  name=$(basename "$program" _fuzz)
  corpus=build/fuzz/corpus/$name
  mkdir -p "$corpus" build/fuzz/found
  if "$program" -max_total_time="$fuzz_seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/found/$name-" "$corpus" "tests/fuzz/corpus/$name" >"$logs/fuzz-$name.log" 2>&1; then
    echo "$name: $(sed -nE 's/^stat::number_of_executed_units: *//p' "$logs/fuzz-$name.log") executions, nothing found"
  else
    echo "$name: FOUND something"
    tail -n 40 "$logs/fuzz-$name.log"
    return 1
  fi
}

fuzz() {
  local -a programs
  mapfile -t programs < <(find build/fuzz/tests/fuzz -maxdepth 1 -name '*_fuzz' -type f -executable | sort)
  ((${#programs[@]})) || { echo "no fuzz target was built" && return 1; }
  export -f fuzz_one
  export fuzz_seconds logs
  printf '%s\n' "${programs[@]}" | xargs -P "$jobs" -I{} bash -c 'fuzz_one {}'
}

began=$SECONDS
if stage build build dev; then
  if [[ $budget == all ]]; then
    CAIRN_TEST_SCALE=long stage suite-long suite dev
  else
    stage suite suite dev
  fi
fi
if [[ $budget == all ]]; then
  export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1}
  export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
  export TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$PWD/tests/support/tsan.supp history_size=7 second_deadlock_stack=1}
  stage header-sets header_sets
  stage format format_check
  stage asan-ubsan-build build asan-ubsan && stage asan-ubsan-suite suite asan-ubsan
  stage tsan-build build tsan $(targets $(concurrent_programs)) &&
    stage tsan-concurrent suite tsan -R "^($(concurrent_areas | paste -sd '|'))\." -E "$(sweeps)"
  stage fuzz-build build fuzz $(targets $(fuzz_programs)) && stage fuzz fuzz
  stage clang-tidy tidy
fi

echo
for name in "${broken_stages[@]}"; do complaint "$name"; done
printf '%s\n' "${report[@]}"
echo "logs in $logs, $((SECONDS - began)) s in all"
echo "$passed passed, $failed failed"
((failed == 0))
