#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What scripts may rely on: the exit codes of the command `cairn`, the fields of its JSON, its
# environment variables, that what it restores is what was added, and that neither hostile
# names nor an interruption change that. CAIRN is the path of the command.
set -uo pipefail
: "${CAIRN:?the path of the command}"
CAIRN=$(realpath "$CAIRN")
unset CAIRN_STORE CAIRN_JSON CAIRN_QUIET CAIRN_NO_COLOR CAIRN_YES

scratch=$(mktemp -d "${TMPDIR:-/tmp}/cairn-cli-XXXXXX")
trap 'chmod -R u+rwx "$scratch"; rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# expect CODE ARGUMENT...: runs the command; its output is then in the files out and err.
expect() {
  local wanted=$1 code=0
  shift
  "$CAIRN" "$@" >out 2>err || code=$?
  [[ $code == "$wanted" ]] || fail "'cairn $*' ended with $code, not $wanted: $(head -c 300 err)"
}
# json EXPRESSION: holds for the document in out, which python calls d.
json() {
  python3 - "$1" <<'PY' || fail "not true of the JSON of the last command: $1"
import json, sys
d = json.load(open("out"))
sys.exit(not eval(sys.argv[1]))
PY
}
# lines EXPRESSION: holds for the lines in out, which python calls l; d is the last.
lines() {
  python3 - "$1" <<'PY' || fail "not true of the JSON lines of the last command: $1"
import json, sys
l = [json.loads(line) for line in open("out")]
d = l[-1]
assert all("message_type" in line and line["schema_version"] == 1 for line in l), l
assert d["message_type"] == "summary", d
sys.exit(not eval(sys.argv[1]))
PY
}
# exit_error CODE: the last line of err says so.
exit_error() {
  python3 - "$1" <<'PY' || fail "stderr does not end in an exit_error of code $1: $(cat err)"
import json, sys
d = json.loads(open("err").read().splitlines()[-1])
sys.exit(not (d["message_type"] == "exit_error" and d["code"] == int(sys.argv[1]) and d["message"]))
PY
}
# same A B: contents, kinds, modes, times to the nanosecond and link targets are equal.
same() {
  diff -r --no-dereference "$1" "$2" >/dev/null || fail "$1 and $2 differ in content"
  diff <(cd "$1" && find . -printf '%y %m %T@ %l %P\0' | sort -z) <(cd "$2" && find . -printf '%y %m %T@ %l %P\0' | sort -z) ||
    fail "$1 and $2 differ in modes, times or links"
}

# --- Inputs -----------------------------------------------------------------------------
mkdir -p model/sub model/empty
python3 - <<'PY'
import json, random, struct
random.seed(7)
def safetensors(path, tensors):
    at, header, data = 0, {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(content)]}
        at, data = at + len(content), data + content
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)
floats = struct.pack("<65536f", *(random.gauss(0, 0.02) for _ in range(65536)))
open("floats", "wb").write(floats)
half = bytes(random.getrandbits(8) for _ in range(4096))
safetensors("model/model.safetensors", {"w": ("F32", [256, 256], floats), "b": ("BF16", [2048], half)})
changed = bytearray(floats)
changed[0:4] = struct.pack("<f", 1.5)
safetensors("changed.safetensors", {"w": ("F32", [256, 256], bytes(changed)), "b": ("BF16", [2048], half)})
PY
echo '{"layers": 2}' >model/config.json
: >model/sub/nothing
printf 'x' >model/sub/odd-mode
chmod 2751 model/sub/odd-mode
ln -s ../config.json model/sub/link
ln -s /nowhere/at/all model/dangling
touch -d '2001-02-03 04:05:06.123456789 UTC' model/config.json model/sub/odd-mode
touch -h -d '1969-12-31 23:59:58.5 UTC' model/sub/link
chmod 0555 model/sub

# --- Usage ------------------------------------------------------------------------------
expect 2
expect 2 frobnicate
expect 2 --json frobnicate
grep -q frobnicate err || fail "an unknown verb is not named: $(cat err)"
exit_error 2
expect 2 ls # no store is given
expect 0 --help
expect 0 --version
for verb in init add get cat tensor ls show diff similar log tag rm forget stats gc optimize clone check repair results experiments metrics ops mirror artifact doctor completion; do
  expect 0 "$verb" --help
  grep -q '^Examples:' out || fail "'cairn $verb --help' has no examples"
  expect 2 "$verb" --no-such-option
done
for shell in bash zsh fish; do
  expect 0 completion "$shell"
  [[ -s out ]] || fail "no completion for $shell"
  [[ $shell == bash ]] && { bash -n out || fail "the completion for bash does not parse"; }
  command -v "$shell" >/dev/null && [[ $shell != bash ]] && { "$shell" -n out || fail "the completion for $shell does not parse"; }
done
expect 2 completion tcsh
expect 0 completion bash
bash -c 'source ./out; COMP_WORDS=(cairn add --dr); COMP_CWORD=2; _cairn; [[ ${COMPREPLY[*]} == --dry-run ]]' ||
  fail "bash does not complete --dry-run"

# --- init -------------------------------------------------------------------------------
expect 10 --json --store missing ls
exit_error 10
expect 2 init bad --digest md5
expect 2 init bad --block-size 3
expect 2 init bad --block-size 1furlong
[[ ! -e bad ]] || fail "a refused init left something"
expect 0 --json init store --block-size 64KiB --segment-size 4MiB
json 'd["schema_version"] == 1 and d["digest"] == "blake3" and d["block_bytes"] == 65536 and d["format_version"] >= 1 and d["store"] and d["seconds"] >= 0'
expect 1 --json init store
exit_error 1
mkdir no-store && touch no-store/file
expect 10 --store no-store stats
expect 1 init no-store

# --- Environment: a flag beats its variable ----------------------------------------------
CAIRN_STORE=store CAIRN_JSON=1 expect 0 ls
json 'd == []'
CAIRN_STORE=missing expect 0 --store store ls
CAIRN_STORE=missing expect 10 ls
CAIRN_JSON=perhaps expect 2 --store store ls
CAIRN_JSON=0 expect 0 --store store ls --json
json 'd == []'
export CAIRN_STORE=$PWD/store

# --- add --------------------------------------------------------------------------------
expect 0 add model --json --tag step=1 --dry-run
lines 'd["version"] == 0 and d["snapshot"] == "" and d["new_bytes"] > 0'
expect 0 --json ls
json 'd == []'
expect 0 add model --json --tag step=1 --tag note=a=b
lines 'd["name"] == "model" and d["version"] == 1 and d["snapshot"].startswith("blake3:") and d["files"] == 4'
lines 'd["tensors"] == 2 and d["opaque_files"] == 3 and d["new_bytes"] == d["logical_bytes"] > 266000 and d["stored_bytes"] > 0'
lines 'd["new_blocks"] > 0 and d["known_blocks"] >= 0 and d["unreadable"] == 0 and d["seconds"] >= 0'
expect 0 add model --json --force
lines 'd["version"] == 2 and d["new_bytes"] == 0 and d["new_blocks"] == 0'
expect 0 add changed.safetensors --as other --quiet
[[ ! -s out && ! -s err ]] || fail "--quiet is not quiet"
expect 0 add model/config.json
grep -q 'config.json@1' out || fail "add has no summary for people"
expect 2 add model --as 'a@b'
expect 2 add model --as ../up
expect 2 add model --codec rar
expect 12 --json add model --base nobody
exit_error 12
grep -q nobody err || fail "add does not name the base that is not there"
expect 12 add model --base model@99 --dry-run
expect 2 add model --base 'a@b'
expect 0 --json add model --base none --dry-run
lines 'd["base"] == "" and d["delta_blocks"] == 0'
expect 0 --json add model --base model@1 --dry-run
lines 'd["base"] == "model@1" and d["delta_blocks"] == 0'
expect 2 add model --codec zstd:20
expect 2 add model --tag novalue
expect 2 add
mkdir partly && echo fine >partly/fine && mkfifo partly/fifo
expect 3 --json add partly
lines 'd["files"] == 1 and d["unreadable"] == 1 and [e for e in l if e["message_type"] == "error" and "fifo" in e["item"] and e["message"]]'
exit_error 3
expect 3 add partly missing-input --as partly
grep -q missing-input err || fail "add does not name what it could not read"
echo content >'[a,b]'
expect 0 --json add '[a,b]' partly/fine --as brackets
lines 'd["files"] == 2'

# --- ls, show, diff, tag, stats ----------------------------------------------------------
expect 0 --json ls
json 'all(r["schema_version"] == 1 for r in d) and {"name", "version", "snapshot", "created", "logical_bytes", "tags"} <= set(d[0])'
json '[r["tags"] for r in d if r["name"] == "model"][0] == {"step": "1", "note": "a=b"} and d[0]["created"].endswith("Z")'
expect 0 --json ls --filter name=mo?el --filter 'version>=2' --limit 5
json '[(r["name"], r["version"]) for r in d] == [("model", 2)]'
expect 0 --json ls --filter tags.step=1
json 'len(d) == 1'
expect 0 --json ls --sort=-logical_bytes --limit 2
json 'len(d) == 2 and d[0]["logical_bytes"] >= d[1]["logical_bytes"]'
expect 2 ls --objects model
expect 0 ls --objects --json
json 'd == []'
expect 2 ls --filter colour=red
expect 2 ls --filter name
expect 2 ls --sort colour
expect 0 --json ls model
json '[e["path"] for e in d] == sorted(e["path"] for e in d) and len(d) == 9'
json '{e["path"]: e["tensors"] for e in d}["model/model.safetensors"] == 2 and {e["kind"] for e in d} == {"file", "directory", "symlink"}'
if command -v b3sum >/dev/null; then
  expect 0 ls model
  grep -q "$(b3sum --no-names model/model.safetensors)" out || fail "the id is not what b3sum prints"
fi
expect 12 ls nobody
expect 12 ls model@9
expect 0 --json show model
json 'd["kind"] == "snapshot" and d["ref"]["name"] == "model" and len(d["entries"]) == 9 and len(d["tensors"]) == 2'
json '{"dtype", "shape", "bytes", "id", "codecs", "stored_bytes", "bases"} <= set(d["tensors"][0])'
expect 0 show model
expect 12 --json show "blake3:$(printf '0%.0s' {1..64})"
exit_error 12
expect 0 add changed.safetensors --as twins
expect 0 add model/model.safetensors --as twins
expect 0 --json diff other twins
json '{"same", "changed", "added", "removed", "changes", "seconds"} <= set(d)'
expect 12 diff model nobody
expect 0 --json tag model stage=best step=
json 'd["tags"].get("stage") == "best" and "step" not in d["tags"] and d["version"] == 2'
expect 0 tag model
grep -q best out || fail "tag does not show tags"
expect 12 tag nobody a=b

# --- log, rm, forget: in a store of their own ---------------------------------------------
expect 0 init versions --block-size 64KiB --segment-size 4MiB
export CAIRN_STORE=$PWD/versions
for version in 1 2 3 4 5 6; do
  echo "$version" >grows
  expect 0 add grows --tag loss=0.$((7 - version))
done
expect 0 tag grows@2 pinned=yes
expect 0 --json log grows
json '[(v["version"], v["parent_version"]) for v in d] == [(6, 5), (5, 4), (4, 3), (3, 2), (2, 1), (1, None)]'
json '{"name", "snapshot", "created", "logical_bytes", "tags", "files", "tensors", "parent"} <= set(d[0]) and d[5]["parent"] is None and d[0]["parent"] == d[1]["snapshot"]'
expect 0 --json log grows@3 --limit 2
json '[v["version"] for v in d] == [3, 2]'
expect 12 log nobody
expect 12 log grows@0
expect 2 rm grows </dev/null # nobody agreed
expect 2 forget grows --keep-last 1 </dev/null
expect 2 --yes forget grows
expect 2 --yes forget grows --keep-last 1 --keep-best loss
expect 2 --yes forget grows --keep-last 1 --keep-within 30
expect 12 --yes rm nobody
expect 12 --yes rm grows@9
expect 12 --yes forget nobody --keep-last 1
expect 0 --json rm grows --dry-run
json 'd["removed"] == 6 and d["kept"] == 0 and [v["version"] for v in d["versions"]] == [1, 2, 3, 4, 5, 6] and d["seconds"] >= 0'
expect 0 --json forget grows --keep-last 0 --yes
json 'd["removed"] == 0 and d["kept"] == 6'
expect 0 --json forget grows --keep-last 1 --keep-best loss:max --keep-every 4 --dry-run
json '[v["version"] for v in d["versions"]] == [3, 5] and d["kept"] == 4'
expect 0 --json forget grows --keep-last 1 --keep-within 8w --yes
json 'd["removed"] == 0'
CAIRN_YES=1 expect 0 --json forget grows --keep-last 1 --keep-best loss:max --keep-every 4
json 'd["removed"] == 2 and d["kept"] == 4'
expect 0 --json log grows
json '[(v["version"], v["parent_version"]) for v in d] == [(6, None), (4, None), (2, 1), (1, None)] and d[0]["parent"]'
expect 0 --yes rm grows@6
expect 12 get grows@6 --to gone
expect 0 --json ls
json '[r["version"] for r in d] == [1, 2, 4]'
expect 0 repair --index
expect 0 --json ls
json '[r["version"] for r in d] == [1, 2, 4]'
expect 0 --yes rm grows
expect 12 ls grows
expect 0 check --read-data
export CAIRN_STORE=$PWD/store
expect 0 --json stats
json '{"logical_bytes", "unique_bytes", "stored_bytes", "disk_bytes", "snapshots", "tensors", "blobs", "blocks", "segments", "objects", "object_bytes"} <= set(d)'
expect 0 stats

# --- get, cat, tensor --------------------------------------------------------------------
expect 0 --json get model --to restored
lines 'd["files"] == 4 and d["bytes"] > 266000 and d["damaged"] == 0'
same model restored/model
expect 1 --json get model --to restored
exit_error 1
expect 0 get model@1 --to restored --overwrite
same model restored/model
expect 0 get model --to some --only '**/*.json'
[[ -f some/model/config.json && ! -e some/model/model.safetensors ]] || fail "--only restored something else"
expect 12 get model --to none --only 'no*such'
expect 12 get nobody --to none
expect 2 get model
mkdir -p trap outside && ln -s ../outside trap/model
expect 1 get model --to trap --overwrite
[[ -z $(ls outside) ]] || fail "a restore went through a link"
expect 0 cat model model/config.json
cmp -s out model/config.json || fail "cat wrote something else"
expect 12 cat model model/absent
expect 2 cat model # neither a path in it nor an id
expect 0 --json ls model
id=$(python3 -c 'import json; print([e["id"] for e in json.load(open("out")) if e["path"].endswith("safetensors")][0])')
expect 0 cat "$id"
cmp -s out model/model.safetensors || fail "cat by id wrote something else"
expect 0 --json tensor model w --out w.npy
json 'd["dtype"] == "f32" and d["shape"] == [256, 256] and d["bytes"] == 262144 and d["id"]'
python3 - <<'PY' || fail "tensor wrote no NumPy file of those floats"
content = open("w.npy", "rb").read()
assert content[:8] == b"\x93NUMPY\x01\x00" and (10 + content[8] + 256 * content[9]) % 64 == 0
header = eval(content[10:10 + content[8] + 256 * content[9]])
assert header == {"descr": "<f4", "fortran_order": False, "shape": (256, 256)}, header
assert content[10 + content[8] + 256 * content[9]:] == open("floats", "rb").read()
PY
expect 0 tensor model b
grep -q 'bf16' err || fail "tensor does not say how it writes bf16"
grep -qa "'descr': '<u2'" out || fail "bf16 is not written as 16-bit integers"
expect 12 tensor model absent
[[ -z $(find . -name '*.tmp') ]] || fail "temporary files are left: $(find . -name '*.tmp')"

# --- Hostile names -----------------------------------------------------------------------
mkdir hostile
printf 'bell' >hostile/$'a\ab\e[31mred\nline'
printf 'utf8' >hostile/$'\xff\xfe'
printf 'dash' >hostile/--json
printf 'glob' >hostile/'*'
expect 0 add hostile
expect 0 --json ls hostile
json 'len(d) == 5'
expect 0 get hostile --to hostile-restored
same hostile hostile-restored/hostile
python3 - "$CAIRN" <<'PY' || fail "a terminal was shown control characters"
import os, pty, sys
seen = b""
def read(fd):
    global seen
    data = os.read(fd, 65536)
    seen += data
    return data
os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
status = pty.spawn([sys.argv[1], "--no-color", "ls", "hostile"], read)
assert status == 0 and b"hostile/" in seen, seen
assert not [c for c in seen if c < 32 and c not in (10, 13) or c == 127 or c == 255], seen
PY

# --- Standard output that fails ----------------------------------------------------------
"$CAIRN" ls >/dev/full 2>err
[[ $? == 1 ]] || fail "a full standard output went unnoticed"

# --- gc ---------------------------------------------------------------------------------
expect 0 --json gc --dry-run
lines 'all(k in d for k in ("freed_bytes", "moved_bytes", "dead_bytes", "segments", "seconds"))'
expect 0 --json gc --max-dead 0%
lines 'd["dead_bytes"] == 0 and d["damaged"] == []'
expect 0 --json gc --max-dead 0
lines 'd["freed_bytes"] == 0 and d["moved_bytes"] == 0'
expect 0 gc
expect 0 --json stats
json 'd["dead_bytes"] == 0'
for share in -1% 101% 5x ""; do expect 2 gc --max-dead "$share"; done
expect 0 --json check --read-data
expect 10 --json --store missing gc
exit_error 10

# --- optimize ---------------------------------------------------------------------------
expect 0 --json optimize --dry-run
lines 'all(k in d for k in ("before_bytes", "after_bytes", "blocks", "rewritten_blocks", "delta_blocks", "damaged", "seconds"))'
expect 0 --json optimize --level 15
lines 'd["after_bytes"] <= d["before_bytes"] and d["damaged"] == []'
expect 0 --json optimize --level 15
lines 'd["rewritten_blocks"] == 0 and d["after_bytes"] == d["before_bytes"]'
expect 0 optimize
expect 2 optimize --level 20
expect 2 optimize --level x
expect 0 --json optimize --base none
lines 'd["delta_blocks"] == 0'
expect 2 optimize --base model
expect 12 --json optimize no-such-name
expect 0 --json check --read-data
expect 10 --json --store missing optimize
exit_error 10

# --- clone -------------------------------------------------------------------------------
expect 2 clone
expect 0 --json clone --to cloned
lines 'd["segments"] > 0 and d["linked_bytes"] + d["copied_bytes"] > 0 and d["index"] is True and "seconds" in d'
expect 0 --json --store cloned check --read-data
expect 0 --json ls
cp out names
expect 0 --json --store cloned ls
cmp -s out names || fail "the clone has other names than the store"
expect 1 --json clone --to cloned
exit_error 1
expect 2 --json clone --to "$CAIRN_STORE/inside"
exit_error 2
expect 0 --json clone --to copied --copy
lines 'd["linked_bytes"] == 0'
expect 0 clone --to cloned-again
grep -q "Cloned to" out || fail "clone does not say what it did: $(cat out)"
expect 10 --json --store missing clone --to nowhere
exit_error 10
[[ ! -e nowhere && ! -e nowhere.cloning ]] || fail "a clone of nothing left something"

# --- doctor, check, repair ---------------------------------------------------------------
expect 0 --json doctor
json '{"io_uring", "o_direct", "avx2", "avx512", "space_available_bytes", "memory_lock_bytes", "libraries", "problems", "store"} <= set(d)'
expect 10 --json --store missing doctor
json 'd["problems"] and "store" not in d'
expect 0 --json check
lines 'd["blocks_checked"] > 0 and d["damaged"] == []'
expect 0 --json check --read-data
lines 'd["bytes_read"] > 0 and d["damaged"] == []'
expect 0 --json check --read-data-subset 1/2
expect 2 check --read-data-subset 3/2
expect 2 check --read-data --read-data-subset 1/2
expect 0 --json repair
lines 'd["blocks_repaired"] == 0 and d["quarantined"] == 0 and d["damaged"] == []'
expect 0 --json repair --index
lines 'd["records_replayed"] > 0 and d["quarantined"] == 0'
rm -rf store/index
expect 0 --json repair --index
expect 0 --json check --read-data
lines 'd["damaged"] == []'
cp -r store damaged
python3 - <<'PY'
# The tensor "b" is random, so its block is stored as it is: flip one bit in the middle of it.
import glob
needle = open("model/model.safetensors", "rb").read()[-4096:][1000:1064]
found = 0
for path in glob.glob("damaged/log/*"):
    content = bytearray(open(path, "rb").read())
    at = content.find(needle)
    if at >= 0:
        content[at] ^= 1
        open(path, "wb").write(content)
        found += 1
assert found == 1, found
PY
expect 4 --json --store damaged check --read-data
lines 'd["damaged"] and any("model" in a for e in d["damaged"] for a in e["affected"])'
exit_error 4
expect 4 --json --store damaged get model --to from-damaged
lines 'd["damaged"] == 1 and d["files"] == 3'
[[ ! -e from-damaged/model/model.safetensors ]] || fail "a damaged file was restored under its name"
expect 4 --json --store damaged repair
lines 'd["quarantined"] == 1 and any("model" in a for e in d["damaged"] for a in e["affected"])'
expect 4 --json --store damaged check
expect 0 --json --store damaged add model
lines 'd["new_blocks"] == 1'
expect 0 --json --store damaged check --read-data
expect 0 --json --store damaged get model --to healed
cmp model/model.safetensors healed/model/model.safetensors || fail "what was healed differs"

# --- A second writer, SIGUSR1, an interruption, and going on after it ---------------------
python3 - "$CAIRN" <<'PY' || fail "the interrupted add"
import json, os, random, signal, subprocess, sys, time
cairn = sys.argv[1]
random.seed(11)
with open("large", "wb") as out:
    for _ in range(96):
        # Text-like bytes: slow to compress well.
        out.write(bytes(random.choices(b"abcdefghijklmnop", k=1 << 16)) * 8)
        out.write(random.randbytes(1 << 19))
add = [cairn, "--json", "add", "large", "--codec", "zstd:19"]
first = subprocess.Popen(add, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
def held():
    return subprocess.run([cairn, "--json", "tag", "model", "a=b"], capture_output=True)
for _ in range(3000):
    if open("store/LOCK").read().strip() == str(first.pid):
        break
    time.sleep(0.01)
time.sleep(0.2)
second = held()
assert second.returncode == 11, (second.returncode, second.stderr, first.poll())
assert str(first.pid) in json.loads(second.stderr)["message"], second.stderr
reader = subprocess.run([cairn, "--json", "ls"], capture_output=True)
assert reader.returncode == 0, reader.stderr
first.send_signal(signal.SIGUSR1)
time.sleep(0.3)
first.send_signal(signal.SIGINT)
out, err = first.communicate(timeout=120)
assert first.returncode == 130, (first.returncode, err)
assert b"add:" in err or b"scan:" in err or b"starting" in err, err
assert json.loads(err.splitlines()[-1])["code"] == 130, err
refs = json.loads(subprocess.run([cairn, "--json", "ls"], capture_output=True).stdout)
assert not [r for r in refs if r["name"] == "large"], refs
assert held().returncode == 0
add[-1] = "auto"
again = subprocess.run(add, capture_output=True)
assert again.returncode == 0, again.stderr
summary = json.loads(again.stdout.splitlines()[-1])
assert summary["version"] == 1 and summary["new_blocks"] + summary["known_blocks"] > 0, summary
print("interrupted: %d blocks were known when add was repeated, %d were new" % (summary["known_blocks"], summary["new_blocks"]))
PY
expect 0 get large --to restored
cmp -s large restored/large || fail "what was added after an interruption is not what is restored"
expect 0 check --read-data

# Results: what is put is what is got, and what is not there is said to be not there.
export CAIRN_STORE=$PWD/results
expect 0 init results
printf '{"loss": 1.5}' >value
expect 0 results put eval/a --serializer json --ttl 86400 --experiment e --file value
printf 'raw' | "$CAIRN" results put eval/b --experiment e || fail "a result from standard input"
expect 0 --json results put eval/c --file value
json 'd["key"] == "eval/c" and d["version"] > 0 and d["schema_version"] == 1'
expect 0 results get eval/a
cmp -s out value || fail "a result is not what was put"
expect 0 --json results list 'eval/?'
json '[r["key"] for r in d] == ["eval/a", "eval/b", "eval/c"] and 86000 < d[0]["seconds_left"] <= 86400'
expect 0 --json results list --limit 1
json 'len(d) == 1 and d[0]["serializer"] == "json" and d[0]["bytes"] == 13'
expect 0 --json results info eval/a
json 'd["experiment"] == "e" and d["bytes"] == 13'
expect 12 --json results get eval/none
exit_error 12
expect 2 results put eval/d --serializer json --file /dev/null
expect 2 results frobnicate
expect 2 results get
expect 2 results rm '*' --matching </dev/null
expect 0 --json results list --namespace other
json 'd == []'
expect 0 --yes --json results rm --experiment e
json 'd["removed"] == 2'
expect 0 results rm eval/c
expect 12 results rm eval/c
expect 0 check --read-data

# Metrics: what is imported is what is exported.
printf 'step,loss,lr\n0,2.5,0.125\n1,1.25,\n2,0.5,0.0625\n' >metrics.csv
expect 0 --json metrics import r --file metrics.csv
json 'd["rows"] == 3'
expect 0 --json metrics list
json '[(m["run"], m["series"], m["count"], m["min"], m["last"]) for m in d] == [("r", "loss", 3, 0.5, 0.5), ("r", "lr", 2, 0.0625, 0.0625)]'
expect 0 --json metrics get r loss
json '[(p["step"], p["value"]) for p in d] == [(0, 2.5), (1, 1.25), (2, 0.5)]'
expect 0 --json metrics get r loss --buckets 1
json 'len(d) == 1 and d[0]["min"] == 0.5 and d[0]["max"] == 2.5 and d[0]["count"] == 3'
expect 0 metrics export r
tr -d '\r' <out | cut -d, -f 2,4- | diff - <(cut -d, -f 1-3 metrics.csv) || fail "the CSV is another: $(cat out)"
expect 0 metrics export --format parquet
[[ $(head -c 4 out) == PAR1 && $(tail -c 4 out) == PAR1 ]] || fail "no Parquet file"
expect 12 metrics get none loss
expect 2 metrics export r --format xml
expect 2 metrics frobnicate
expect 1 metrics import r --file not-there.csv
expect 2 metrics rm
expect 2 metrics rm r </dev/null
expect 12 --yes metrics rm none
expect 0 --yes --json metrics rm r
json 'd["removed"] == 3'
expect 12 metrics get r loss
expect 0 --json metrics list
json 'd == []'
expect 0 --json experiments list
json 'd == []'
expect 12 experiments top none
expect 2 experiments top
expect 0 --json ops list
json 'd == []'
expect 0 --json mirror list
expect 2 mirror push
expect 2 mirror frobnicate
expect 12 mirror push none
expect 12 mirror gc none
expect 12 repair --from none
expect 2 repair --index --from none
expect 2 mirror gc none --grace soon
expect 2 mirror add name http://no.s3/url
unset CAIRN_ARTIFACTS
expect 2 artifact ls
expect 2 artifact
expect 2 artifact frobnicate --at s3://bucket
expect 2 artifact get --at s3://bucket
expect 2 artifact put - --at s3://bucket
expect 2 artifact rm --at s3://bucket
expect 2 artifact rm --prefix a --at s3://bucket </dev/null
expect 2 artifact ls --at http://no.s3/url
expect 2 artifact ls --at s3://bucket --endpoint https://user:secret@host
expect 12 ops get none
expect 12 ops rm none
expect 0 check --read-data

if ((failures > 0)); then
  echo "$failures claims do not hold"
  exit 1
fi
echo "the command keeps its contract"
