#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input to the command: each a clear error with the right exit code, and nothing lost.

Folders that are no store, stores of a newer version, a damaged header, a held store, links that
wait in the folder of a restore, inputs that are no files, a full disk and a read-only one.

Hostile trees (names with "..", absolute, with NUL or with control characters) cannot be made with
this command, which refuses to write them; that a reader refuses them, too, is shown by
tests/format/names_test.cc and manifest_test.cc, and that a restore does not follow them by
tests/io/tree_writer_test.cc. Hostile model files are in real_files_test.py.
"""
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from cairn_command import CAIRN, MIB, Store, claim, finish, same_content, scratch  # noqa: E402

# Mounts are made in a name space of our own, and go with it.
if os.geteuid() == 0 and "CAIRN_TEST_UNSHARED" not in os.environ:
    if subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode == 0:
        os.environ["CAIRN_TEST_UNSHARED"] = "yes"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, __file__])
MOUNTS = os.environ.pop("CAIRN_TEST_UNSHARED", None) == "yes"

SEED = 99
random.seed(SEED)
print("seed", SEED)
work = scratch("bad-input")
model = work / "model"
model.mkdir()
(model / "data").write_bytes(random.randbytes(700_000))
(model / "sub").mkdir()
(model / "sub" / "file").write_bytes(b"content\n")
(model / "link").symlink_to("sub/file")
good = Store(work / "good", "--block-size", "64KiB", "--segment-size", "1MiB")
good.run("add", model)


def whole(store, when):
    """What was archived first is there, and nothing is damaged."""
    to = work / "whole"
    store.run("get", "model@1", "--to", to)
    for name in ("data", "sub/file"):
        claim(same_content(model / name, to / "model" / name), f"{when}: {name} comes back as something else")
    shutil.rmtree(to)
    claim(store.run("check", "--read-data").summary()["damaged"] == [], f"{when}: check finds damage")


def bytes_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


# --- Folders that are no store ----------------------------------------------------------------
(work / "empty").mkdir()
for folder in (work / "missing", work / "empty", model, model / "data"):
    for arguments in (["ls"], ["get", "x", "--to", work / "to"], ["add", model], ["check"], ["stats"], ["repair", "--index"]):
        words = [CAIRN, "--json", "--store", str(folder), *map(str, arguments)]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        claim(done.returncode == 10, f"'{arguments[0]}' on {folder.name} ended with {done.returncode}: {done.stderr[-200:]}")
        claim(folder.name in done.stderr, f"'{arguments[0]}' does not name the folder: {done.stderr[-200:]}")
claim(not (work / "missing").exists() and not list((work / "empty").iterdir()), "a folder that is no store was changed")
good.run("init", model, expect=1, store=False)
claim(sorted(os.listdir(model)) == ["data", "link", "sub"], "a refused init changed the folder")

# --- A store of a newer version, a damaged header ------------------------------------------------
newer = Store(shutil.copytree(work / "good", work / "newer"))
lines = (newer.folder / "STORE").read_text().splitlines(keepends=True)
claim(lines[0] == "format_version 1\n", f"STORE begins with {lines[0]!r}")
(newer.folder / "STORE").write_text("format_version 2\nsomething new\n")
before = bytes_of(newer.folder)
for arguments in (["ls"], ["get", "model", "--to", work / "to"], ["add", model], ["check"], ["repair", "--index"]):
    message = newer.run(*arguments, expect=1).error().get("message", "")
    claim("newer" in message, f"'{arguments[0]}' does not say that the store is newer: {message}")
claim(bytes_of(newer.folder) == before, "a store of a newer version was changed")

damaged = Store(shutil.copytree(work / "good", work / "damaged"))
text = bytearray((damaged.folder / "STORE").read_bytes())
text[25] ^= 1
(damaged.folder / "STORE").write_bytes(text)
message = damaged.run("ls", expect=4).error().get("message", "")
claim("STORE" in message, f"a damaged header is not named: {message}")
damaged.run("repair", "--index")
whole(damaged, "header repaired")

# --- A store that another process holds ------------------------------------------------------------
large = work / "large"
# Slow to compress well, so that the holder is not done too soon.
large.write_bytes(bytes(random.choices(b"abcdefghijklmnop", k=12 * MIB)))
holder = subprocess.Popen([CAIRN, "--store", str(good.folder), "add", str(large), "--codec", "zstd:19"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
for _ in range(1000):
    if (good.folder / "LOCK").exists() and (good.folder / "LOCK").read_text().strip() == str(holder.pid):
        break
    time.sleep(0.01)
holder.send_signal(signal.SIGSTOP)
message = good.run("add", model, "--force", expect=11).error().get("message", "")
claim(str(holder.pid) in message, f"the holder {holder.pid} is not named: {message}")
message = good.run("repair", "--index", expect=11).error().get("message", "")
claim(str(holder.pid) in message, f"the holder {holder.pid} is not named: {message}")
claim([r["name"] for r in good.run("ls").document()] == ["model"], "a reader beside a writer sees something else")
whole(good, "beside a writer")
holder.kill()
holder.wait()
whole(good, "after the writer was killed")
good.run("add", large)

# --- Names and inputs that cannot be ----------------------------------------------------------------
for name in ("..", "a/../b", "/absolute", "a@1", "", " a", "a\nb", "a\x1b[31m", "\u202eb", "x" * 256):
    words = [CAIRN, "--json", "--store", str(good.folder), "add", str(model), "--as", name]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # An empty --as is as good as none.
    claim(done.returncode == (0 if name == "" else 2), f"the name {name!r} ended with {done.returncode}")
    claim(not any(c < 32 and c != 10 for c in done.stderr), f"an error shows control characters: {done.stderr!r}")
odd = work / "odd"
odd.mkdir()
os.mkfifo(odd / "fifo")
good.run("add", odd / "fifo", expect=1)
(odd / "file").write_bytes(b"x")
partly = good.run("add", odd, expect=3)
claim(partly.summary()["unreadable"] == 1 and partly.summary()["files"] == 1, f"a fifo beside a file: {partly.summary()}")
good.run("add", work / "not-there", expect=1)

# --- Links that wait where files are restored ----------------------------------------------------------
outside = work / "outside"
outside.mkdir()
(outside / "data").write_bytes(b"mine")
(outside / "file").write_bytes(b"mine")


def untouched(when):
    claim(sorted(os.listdir(outside)) == ["data", "file"] and
          all((outside / name).read_bytes() == b"mine" for name in ("data", "file")),
          f"{when}: a restore wrote outside its folder")


for number, (place, target) in enumerate([("model", outside), ("model", Path("../outside")), ("model/sub", outside),
                                          ("model/data", outside / "data"), ("model/sub/file", outside / "file"),
                                          ("model/link", outside / "file")]):
    to = work / f"trap{number}"
    (to / place).parent.mkdir(parents=True)
    (to / place).symlink_to(target)
    good.run("get", "model@1", "--to", to, expect=1)
    untouched(f"{place} leads to {target}")
    # Links where a folder must be stay an error; where a file or link must be, they are replaced.
    replaced = place in ("model/data", "model/sub/file", "model/link")
    good.run("get", "model@1", "--to", to, "--overwrite", expect=0 if replaced else 1)
    untouched(f"{place} leads to {target}, --overwrite")
    if replaced:
        claim(same_content(model / "data", to / "model" / "data"), f"{place}: data comes back as something else")
        claim(os.readlink(to / "model" / "link") == "sub/file", f"{place}: the link leads elsewhere")
    claim(not list(to.rglob(".cairn-*")), f"{place}: temporary files are left")
# The folder itself is the user's choice, and may be reached through a link.
(work / "real").mkdir()
(work / "alias").symlink_to("real")
good.run("get", "model@1", "--to", work / "alias")
claim(same_content(model / "data", work / "real" / "model" / "data"), "a restore through an alias")

# --- A disk that is full, and one that is read-only -----------------------------------------------------
disk = work / "disk"
disk.mkdir()
mounted = MOUNTS and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk]).returncode == 0
if not mounted:
    print("not root, or no mounts allowed here: the full disk and the read-only one are left out")
else:
    store = Store(disk / "store", "--block-size", "64KiB", "--segment-size", "1MiB")
    store.run("add", model)
    whole(store, "on a small disk")
    big = work / "big"
    big.write_bytes(random.randbytes(12 * MIB))
    for attempt in ("first", "second"):
        message = store.run("add", big, expect=1).error().get("message", "")
        claim("space" in message, f"{attempt}: the error does not say that the disk is full: {message}")
        claim([r["name"] for r in store.run("ls").document()] == ["model"], f"{attempt}: a name that was not archived")
        whole(store, f"disk full, {attempt} attempt")
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    report = store.run("add", big).summary()
    claim(report["version"] == 1 and report["logical_bytes"] == 12 * MIB, f"after space returned: {report}")
    store.run("get", "big", "--to", work / "big-back")
    claim(same_content(big, work / "big-back" / "big"), "after space returned, the file comes back as something else")
    whole(store, "after space returned")

    small = work / "small-disk"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small], check=True)
    message = store.run("get", "big", "--to", small, expect=1).error().get("message", "")
    claim("space" in message, f"a restore does not say that the disk is full: {message}")
    claim(not any(p.is_file() for p in small.rglob("*")), f"a failed restore left {list(small.rglob('*'))}")

    # Full to the last byte, by the store and by others: what is removed gives room for more.
    full = work / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", full], check=True)
    reserved = Store(full / "store", "--block-size", "64KiB", "--segment-size", "1MiB")
    names, refused = [], False
    while not refused:
        part = work / f"part{len(names)}"
        part.write_bytes(random.randbytes(4 * MIB))
        refused = reserved.run("add", part, expect=None).code != 0
        if not refused:
            names.append(part.name)
    claim(len(names) > 9, f"only {names} fit")
    claim(reserved.run("stats").document()["reserve_bytes"] >= 4 * MIB, "there is no reserve")
    with open(full / "other", "wb", buffering=0) as other:
        try:
            while True:
                other.write(bytes(4096))
        except OSError:
            pass
    for name in names[::2]:
        reserved.run("rm", name, "--yes")
    freed = reserved.run("gc", "--max-dead", "0%").summary()
    claim(freed["freed_bytes"] > 16 * MIB and freed["dead_bytes"] == 0, f"gc on a full disk: {freed}")
    claim(reserved.run("stats").document()["reserve_bytes"] >= 4 * MIB, "the reserve is not made again")
    reserved.run("add", work / "part0")
    reserved.run("check", "--read-data")
    reserved.run("get", names[1], "--to", work / "kept")
    claim(same_content(work / names[1], work / "kept" / names[1]), "after a full disk, what was kept is something else")
    subprocess.run(["umount", full], check=True)

    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    message = store.run("add", model, "--force", expect=1).error().get("message", "")
    claim("Read-only" in message, f"the error does not say that the disk is read-only: {message}")
    whole(store, "on a read-only disk")
    for place in (small, disk):
        subprocess.run(["umount", place], check=True)

finish("bad input is refused, and costs nothing")
