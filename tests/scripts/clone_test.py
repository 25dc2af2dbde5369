#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clones that are made beside other processes, and copies of a closed store's folder.

Processes add versions, remove them and reclaim, one after the other, while others clone the
store; some of these are killed (SIGKILL). Every clone has each version that was there before it
was begun and was not removed, whole, and writing to it leaves the store as it was. Then the
closed store is copied with cp and, where it is installed, rsync: the copies are as good. With
CAIRN_TEST_SCALE=long 100 clones, else 8. CAIRN_TEST_SEED repeats the random times.
"""
import os
import random
import shutil
import signal
import subprocess
import threading
import time

from cairn_command import CAIRN, LONG, Store, claim, differences, finish, scratch

CLONES = 100 if LONG else 8
KEPT_EVERY = 3
SEED = int(os.environ.get("CAIRN_TEST_SEED", "1"))

folder = scratch("clone")
store = Store(folder / "store", "--block-size", "64KiB", "--segment-size", "1MiB")
os.mkdir(folder / "inputs")


def content_of(number):
    path = folder / "inputs" / f"v{number}"
    if not path.exists():
        path.write_bytes(random.Random(number).randbytes(700_000))
    return path


def add(to, number):
    to.run("add", content_of(number), "--as", f"v{number}")


def names_of(of):
    return {entry["name"] for entry in of.run("ls").document()}


def check_whole(of, versions, words):
    """`of` has these versions, bit for bit, and perhaps others; nothing in it is damaged."""
    of.run("check", "--read-data")
    found = names_of(of)
    claim(versions <= found, f"{words} lacks {versions - found}")
    for name in sorted(versions)[-2:]:
        to = folder / "restored"
        of.run("get", name, "--to", to)
        claim(not differences(folder / "inputs" / name, to / name), f"{words}: {name} has other content")
        shutil.rmtree(to)


kept, done = [], threading.Event()


def keep_writing():
    number = 0
    while not done.is_set():
        add(store, number)
        if number % KEPT_EVERY == 0:
            kept.append(f"v{number}")
        else:
            store.run("--yes", "rm", f"v{number}")
            store.run("gc", "--max-dead", "0")
        number += 1


for first in range(1_000, 1_006):
    add(store, first)
    kept.append(f"v{first}")
writer = threading.Thread(target=keep_writing)
writer.start()
chance = random.Random(SEED)
killed = 0
try:
    for count in range(CLONES):
        to = folder / f"clone{count}"
        words = [CAIRN, "--json", "--store", str(store.folder), "clone", "--to", str(to)]
        began = time.monotonic()
        for extra in ([], ["--copy"]):
            clone = subprocess.Popen(words + extra, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0, 0.05))
            clone.send_signal(signal.SIGKILL)
            killed += clone.wait() == -signal.SIGKILL
            if (to / "STORE").exists():
                break
            unnamed = folder / f"clone{count}.cloning"
            if (unnamed / "STORE").exists():
                shutil.rmtree(unnamed)
        before = set(kept)
        if not (to / "STORE").exists():
            summary = store.run("clone", "--to", to, *(["--copy"] if count % 4 == 3 else [])).summary()
            claim(summary["index"], "the clone has an index")
        else:
            before = set()  # killed after it was whole
        claim(not os.path.exists(f"{to}.cloning"), "nothing is left beside a clone")
        of = Store(to)
        check_whole(of, before, f"clone {count}")
        if count % 2 == 0:
            add(of, 2_000 + count)
            of.run("--yes", "rm", "v1000")
            of.run("gc", "--max-dead", "0")
            of.run("repair", "--index")
            check_whole(of, before - {"v1000"}, f"clone {count}, written to")
        shutil.rmtree(to)
finally:
    done.set()
    writer.join()
claim(killed > 0, "no clone was killed in time")
check_whole(store, set(kept), "the store")

copies = [["cp", "-a"]] + ([["rsync", "-a"]] if shutil.which("rsync") else [])
for command in copies:
    to = folder / ("by-" + command[0])
    subprocess.run([*command, str(store.folder) + ("/" if command[0] == "rsync" else ""), str(to)], check=True)
    check_whole(Store(to), set(kept), f"the copy by {command[0]}")
    Store(to).run("--yes", "rm", kept[0])
    Store(to).run("gc", "--max-dead", "0")
    check_whole(store, set(kept), "the store that was copied")
finish(f"{CLONES} clones beside a writer, {killed} more killed, CAIRN_TEST_SEED={SEED}; "
       f"copies by {', '.join(command[0] for command in copies)}")
