#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gives back the space of what died, beside restic: the same history, the same disk.

    bench/peers/prune.py --work DIR --cairn COMMAND [--blocks N] [--seed N]

The history: N files of 4 KiB of noise in folders of 1024 (default 1,048,576: 4 GiB), each a
block of its own; all of them archived; one in a hundred of them deleted, spread evenly at random over
all; the rest archived again; the first version forgotten. Then, one after the other on the same store:
what each tool does by default (both leave 5 % of dead bytes alone), and everything dead given back.

Expected. By default next to nothing is copied, and the time is that of finding it out: Cairn has
counted on the way, restic walks all trees that are left and its index. Everything: one block in
a hundred dead means that no file of either store (segments of 256 MiB, packs of 16 MiB) is
without one, so all that is live is copied once, and the bound is the disk's write beside
its read, which fio says first. The times end when the file system is synced.

Standard library only.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BLOCK, PER_FOLDER = 4096, 1024


def run(command, environment=None):
    """What it printed, and the seconds until its file system is synced."""
    began = time.monotonic()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: status {done.returncode}: {done.stderr[-500:]}")
    subprocess.run(["sync", "-f", str(SCRATCH)], check=True)
    return done.stdout, time.monotonic() - began


def disk_bytes(folder):
    return sum(512 * os.lstat(os.path.join(at, name)).st_blocks for at, _, names in os.walk(folder) for name in names)


def written_bytes():
    """What this process and its ended children wrote to the disk."""
    text = pathlib.Path("/proc/self/io").read_text()
    return int(re.search(r"^write_bytes: (\d+)$", text, re.M).group(1))


def make_inputs(folder, blocks, chance):
    for at in range(0, blocks, PER_FOLDER):
        sub = folder / f"{at // PER_FOLDER:05}"
        sub.mkdir(parents=True)
        for i in range(min(PER_FOLDER, blocks - at)):
            (sub / f"{i:04}").write_bytes(chance.randbytes(BLOCK))


def row(tool, what, seconds, written, before, after):
    print(f"| {tool} | {what} | {seconds:.2f} | {written / 2**20:.1f} | {(before - after) / 2**20:.1f} |", flush=True)


class Steps:
    """Runs a store's commands one after the other, and prints a row for each that is measured."""

    def __init__(self, tool, store, environment=None):
        self.tool, self.store, self.environment = tool, store, environment

    def step(self, what, command):
        before, written = disk_bytes(self.store), written_bytes()
        _, seconds = run(command, self.environment)
        row(self.tool, what, seconds, written_bytes() - written, before, disk_bytes(self.store))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--cairn", required=True)
    parser.add_argument("--blocks", type=int, default=1 << 20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    global SCRATCH
    SCRATCH = options.work / "prune"
    shutil.rmtree(SCRATCH, ignore_errors=True)
    SCRATCH.mkdir(parents=True)
    try:
        measure(options)
    finally:
        shutil.rmtree(SCRATCH, ignore_errors=True)


def measure(options):
    chance = random.Random(options.seed)
    inputs, store, repository = SCRATCH / "inputs", SCRATCH / "cairn", SCRATCH / "restic"
    make_inputs(inputs, options.blocks, chance)
    print(subprocess.run([SOURCE / "bench/disk_ceiling.sh", SCRATCH, "2g"], check=True, text=True,
                         stdout=subprocess.PIPE).stdout)
    cairn = [options.cairn, "--store", store, "--quiet", "--yes"]
    restic = ["restic", "-q", "-r", repository]
    secret = dict(os.environ, RESTIC_PASSWORD="peer", RESTIC_CACHE_DIR=str(SCRATCH / "cache"))
    with_restic = shutil.which("restic") is not None
    run([options.cairn, "init", store])
    if with_restic:
        run([*restic, "init", "--repository-version", "2"], secret)
    print(f"{options.blocks} blocks of {BLOCK} bytes, of which one in a hundred dies\n")
    print("| tool | what | s | written MiB | given back MiB |\n| --- | --- | --- | --- | --- |")
    ours, theirs = Steps("cairn", store), Steps("restic", repository, secret)
    for version in (1, 2):
        if version == 2:
            dead = chance.sample(range(options.blocks), options.blocks // 100)
            for i in dead:
                (inputs / f"{i // PER_FOLDER:05}" / f"{i % PER_FOLDER:04}").unlink()
        ours.step(f"version {version}", [*cairn, "add", inputs, "--as", "all"])
        if with_restic:
            theirs.step(f"version {version}", [*restic, "backup", inputs])
    ours.step("forget", [*cairn, "forget", "all", "--keep-last", "1"])
    ours.step("gc", [*cairn, "gc"])
    ours.step("gc --max-dead 0%", [*cairn, "gc", "--max-dead", "0%"])
    left = json.loads(run([*cairn, "--json", "stats"])[0])["dead_bytes"]
    run([*cairn, "check"])
    if with_restic:
        theirs.step("forget", [*restic, "forget", "--keep-last", "1"])
        theirs.step("prune", [*restic, "prune"])
        theirs.step("prune --max-unused 0", [*restic, "prune", "--max-unused", "0"])
    else:
        print("restic is missing: ./dev setup bench")
    print(f"\nDead bytes left in Cairn's store: {left}; check finds no damage.")


if __name__ == "__main__":
    main()
