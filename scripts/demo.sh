#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `./dev demo`: the whole of Cairn in two minutes, on a model that is trained on the spot.
# Each step shows the command that it runs, and the demonstration fails if any promise
# does. What it leaves in build/demo is there to be played with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cairn=${CAIRN:-$PWD/build/dev/api/cli/cairn}
train=${TRAIN_TEXT:-$PWD/build/dev/api/examples/train_text}
here=${DEMO_DIR:-build/demo}
steps=${DEMO_STEPS:-300}
every=$((steps / 6))

unset CAIRN_STORE CAIRN_JSON CAIRN_QUIET
rm -rf "$here"
mkdir -p "$here"
cd "$here"
export CAIRN_STORE=store

headline() { printf '\n== %s\n\n' "$*"; }
fail() {
  echo "demo: $*" >&2
  exit 1
}
bytes_in() { find "$1" -type f -printf '%s\n' | awk '{sum += $1} END {printf "%d", sum}'; }
megabytes() { awk -v b="$1" 'BEGIN {printf "%.1f MB", b / 1e6}'; }
percent() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.1f %%", 100 * a / b}'; }
run() { # shows the command as one would type it, and runs it
  echo "\$ $*"
  if [[ $1 == cairn ]]; then "$cairn" "${@:2}"; else "$@"; fi
}
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
began=$(milliseconds)

headline "1. Train a language model on the licence texts of this machine, saving 6 checkpoints"
"$train" --out run --steps "$steps" --every "$every" --seed 1
checkpoints=(run/step-*)
raw=$(bytes_in run)
echo
echo "Each checkpoint holds the weights as float32 and as bfloat16 and the optimizer's moments:"
(cd "${checkpoints[0]}" && ls -l | awk 'NR > 1 {printf "  %-26s %10d bytes\n", $NF, $5}')

headline "2. Archive them: each is the next version of one name"
run cairn init store
table=()
add_ms=0
for checkpoint in "${checkpoints[@]}"; do
  before=$(du -s -B1 store | cut -f1)
  at=$(milliseconds)
  run cairn add "$checkpoint" --as demo
  ms=$(($(milliseconds) - at))
  add_ms=$((add_ms + ms))
  grew=$(($(du -s -B1 store | cut -f1) - before))
  table+=("$(printf '  %-10s %10s  %12s  %8s  %8d ms' "$(basename "$checkpoint")" \
    "$(megabytes "$(bytes_in "$checkpoint")")" "$(megabytes "$grew")" \
    "$(percent "$grew" "$(bytes_in "$checkpoint")")" "$ms")")
done
echo
run cairn ls

headline "3. What that took"
disk=$(du -s -B1 store | cut -f1)
printf '  %-10s %10s  %12s  %8s  %11s\n' checkpoint files "store grew" share time
printf '%s\n' "${table[@]}"
echo
echo "  the files, as they are:      $(megabytes "$raw")"
echo "  the store on disk (du):      $(megabytes "$disk"), $(percent "$disk" "$raw") of it"
echo "  all adds together:           $add_ms ms, $(megabytes $((raw * 1000 / (add_ms > 0 ? add_ms : 1))))/s, synced to disk"
echo
echo "The last two versions are small because training froze the embeddings and the first block,"
echo "as one does in fine-tuning, and what does not change is stored once. The others shrink only"
echo "as far as trained floats have redundancy. So small a run says little about speed: ./dev bench."
at=$(milliseconds)
run cairn add "${checkpoints[-1]}" --as again
echo "The same checkpoint once more took $(($(milliseconds) - at)) ms: nothing in it is new."

headline "4. Restore every version, and compare it with the original, byte for byte"
files=0
at=$(milliseconds)
get_ms=0
for i in "${!checkpoints[@]}"; do
  at=$(milliseconds)
  run cairn get "demo@$((i + 1))" --to "restored/$((i + 1))"
  get_ms=$((get_ms + $(milliseconds) - at))
done
for i in "${!checkpoints[@]}"; do
  name=$(basename "${checkpoints[i]}")
  while read -r file; do
    # A folder comes back under its own name, or its content does: both are the same to see.
    copy=restored/$((i + 1))/$name/$file
    [[ -e $copy ]] || copy=restored/$((i + 1))/$file
    cmp "${checkpoints[i]}/$file" "$copy" || fail "$copy differs"
    files=$((files + 1))
  done < <(cd "${checkpoints[i]}" && find . -type f -printf '%P\n' | sort)
done
echo "$files files compared with cmp, all identical; restored at $(megabytes $((raw * 1000 / (get_ms > 0 ? get_ms : 1))))/s."

headline "5. Damage a copy of the store: one byte in the middle of its log"
cp -a --reflink=auto store damaged
segment=$(find damaged -type f -name '*.seg' -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)
# A zero could be padding, which holds nothing: the first byte that is not zero is taken.
python3 - "$segment" <<'PY'
import sys
with open(sys.argv[1], "r+b") as log:
    at = log.seek(0, 2) // 2
    log.seek(at)
    skipped = next(i for i, byte in enumerate(log.read(1 << 20)) if byte)
    log.seek(at + skipped)
    old = log.read(1)[0]
    log.seek(at + skipped)
    log.write(bytes([old ^ 0x10]))
    print(f"{sys.argv[1]}, byte {at + skipped}: {old:#04x} is now {old ^ 0x10:#04x}")
PY
echo
status=0
run cairn --store damaged check --read-data || status=$?
((status == 4)) || fail "check should have said 4, damage found; it said $status"
echo
echo "check found it and exited with status 4. Restoring from the damaged copy hands out what is whole,"
echo "leaves out what is not, and says so:"
echo
hit=0
for i in "${!checkpoints[@]}"; do
  status=0
  "$cairn" --store damaged --quiet get "demo@$((i + 1))" --to "from-damaged/$((i + 1))" >damaged.log 2>&1 || status=$?
  while read -r file; do
    cmp "restored/$((i + 1))/$file" "from-damaged/$((i + 1))/$file" || fail "wrong bytes came out of the damaged copy"
  done < <(cd "from-damaged/$((i + 1))" && find . -type f)
  if ((status == 0)); then
    diff -rq "restored/$((i + 1))" "from-damaged/$((i + 1))" || fail "demo@$((i + 1)) is not whole, and nothing was said"
    echo "  demo@$((i + 1)): whole, identical"
  else
    hit=$((hit + 1))
    echo "  demo@$((i + 1)): status $status, $(grep -m 1 safetensors damaged.log || head -n 1 damaged.log)"
  fi
done
((hit > 0)) || fail "the damaged copy restored everything: the damage did not reach any file"

headline "6. The store itself is whole"
run cairn check --read-data
echo
echo "Done in $((($(milliseconds) - began) / 1000)) s. Everything is in $here: the run, the store, the damaged copy."
echo "Look around: export CAIRN_STORE=$PWD/store; $cairn show demo@1; $cairn diff demo@1 demo@6"
