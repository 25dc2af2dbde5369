#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A long chain of checkpoints and many fine-tunes of one model, whole and as differences.

    bench/deltas/family.py --family FOLDER --work DIR --cairn COMMAND [--pairs N] [chain|models]

The models are those of train_family.py. Everything goes through the command. Loads are `get` of a version into
memory (/dev/shm) from the page cache, of the chain kept whole and the chain that was optimized in
turn; medians and the ratio of each pair. After each step all versions are restored and compared.

Expected. Four of five versions of the chain are the difference from one that is whole; of the last few each from the next. To load
what is whole costs the same in both; another reads, decodes and joins one block more for each of its own.
Fine-tunes are the difference from the first model.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import time

import methods


class Store:
    def __init__(self, command, folder):
        self.command, self.folder = command, methods.fresh(folder)
        shutil.rmtree(folder)
        methods.run([command, "init", folder])

    def __call__(self, *arguments):
        return methods.run([self.command, "--store", self.folder, "--quiet", "--yes", *arguments])

    def json(self, *arguments):
        return json.loads(methods.run([self.command, "--store", self.folder, "--json", "--yes",
                                       *arguments]).splitlines()[-1])

    def log_bytes(self):
        self("gc", "--max-dead", "0%")
        return self.json("stats")["log_bytes"]

    def load(self, version, out):
        _, seconds = methods.timed(self, "get", version, "--to", methods.fresh(out))
        return seconds

    def check_all(self, files, out):
        """Every version is what was added."""
        for version, path in files.items():
            self.load(version, out)
            methods.checked(version, methods.same_files(path, next(out.iterdir())))
        methods.checked("check", self.json("check", "--read-data")["damaged"] == [])


def ratio_of_loads(whole, small, version, out, pairs):
    ones, others = [], []
    for _ in range(pairs):
        ones.append(whole.load(version, out))
        others.append(small.load(version, out))
    ratio = statistics.median(b / a for a, b in zip(ones, others))
    return statistics.median(ones), statistics.median(others), ratio


def optimize(store, bits_of):
    report, seconds = methods.timed(store.json, "optimize")
    after = store.log_bytes()
    print(f"optimized in {seconds:.1f} s, {report['delta_blocks']} delta blocks: {after / 1e6:.1f} MB, "
          f"{8 * after / bits_of:.2f} bits for each weight", flush=True)
    return after


def chain(options, out):
    files = {f"run@{i + 1}": path for i, path in enumerate(sorted(options.family.glob("step-*.safetensors")))}
    weights = sum(path.stat().st_size for path in files.values()) / 2
    whole, small = Store(options.cairn, options.work / "whole"), Store(options.cairn, options.work / "small")
    for store, base in ((whole, "none"), (small, "auto")):
        for path in files.values():
            link = methods.fresh(options.work / "version") / "model.safetensors"
            shutil.copyfile(path, link)
            store("add", link, "--as", "run", "--base", base)
    raw = 2 * weights
    print(f"\nA chain of {len(files)}: {raw / 1e6:.1f} MB raw, whole {whole.log_bytes() / 1e6:.1f} MB, "
          f"as it was added {small.log_bytes() / 1e6:.1f} MB", flush=True)
    optimize(small, weights)
    small.check_all(files, out)
    count = len(files)
    for label, version in (("last", count), ("first", 1), ("middle", count // 2), ("next", count // 2 + 1)):
        a, b, ratio = ratio_of_loads(whole, small, f"run@{version}", out, options.pairs)
        print(f"load the {label} ({version}): whole {a * 1e3:.0f} ms, optimized {b * 1e3:.0f} ms, ratio {ratio:.2f}",
              flush=True)
    for version in range(count // 4, 3 * count // 4):
        small("rm", f"run@{version}")
        del files[f"run@{version}"]
    print(f"without the middle half: {small.log_bytes() / 1e6:.1f} MB", flush=True)
    small.check_all(files, out)
    optimize(small, sum(path.stat().st_size for path in files.values()) / 2)
    small.check_all(files, out)
    lose(small, files, out, options.work)


def lose(store, files, out, work):
    """One bit of one segment changes: what `check` names is what cannot be restored, and no more."""
    random.seed(1)
    hurt = shutil.copytree(store.folder, work / "hurt")
    segment = max((hurt / "log").glob("*.seg"), key=lambda path: path.stat().st_size)
    with open(segment, "r+b") as file:
        file.seek(segment.stat().st_size // 3)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 16]))
    done = subprocess.run([store.command, "--store", hurt, "--json", "check", "--read-data"], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    damaged = json.loads(done.stdout.splitlines()[-1])["damaged"]
    named = {name.split(":")[0] for damage in damaged for name in damage["affected"]}
    lost = set()
    for version, path in files.items():
        methods.fresh(out)
        got = subprocess.run([store.command, "--store", hurt, "--quiet", "get", version, "--to", out], check=False,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if got.returncode != 0:
            lost.add(version)
        else:
            methods.checked(version, methods.same_files(path, out / "model.safetensors"))
    print(f"one bit of {segment.name}: check names {sorted(named)}, {sorted(lost)} cannot be restored", flush=True)
    methods.checked("exactly the dependants", named == lost and lost)


def models(options, out):
    paths = sorted(options.family.glob("model-*.safetensors"))
    store = Store(options.cairn, options.work / "models")
    for path in paths:
        store("add", path)
    files = {path.stem + path.suffix: path for path in paths}

    def ids():
        return {name: methods.run([options.cairn, "--store", store.folder, "--json", "ls", name]) for name in files}

    weights = sum(path.stat().st_size for path in paths) / 2
    before, known = store.log_bytes(), ids()
    print(f"\n{len(paths)} related models: {2 * weights / 1e6:.1f} MB raw, added {before / 1e6:.1f} MB, "
          f"{8 * before / weights:.2f} bits for each weight", flush=True)
    for after_s in (0.3, 1.0, 2.0, 3.0):
        running = subprocess.Popen([options.cairn, "--store", store.folder, "--quiet", "--yes", "optimize"])
        time.sleep(after_s)
        running.send_signal(signal.SIGKILL)
        running.wait()
        methods.checked("check", store.json("check")["damaged"] == [])
    print("killed four times; ", end="")
    after = optimize(store, weights)
    print(f"{after / before:.3f} of what was added", flush=True)
    methods.checked("ids", ids() == known)
    store.check_all(files, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--cairn", type=pathlib.Path, required=True)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("what", nargs="*", default=["chain", "models"])
    options = parser.parse_args()
    options.work = methods.fresh(options.work / "family")
    options.cairn = options.cairn.resolve()
    out = pathlib.Path("/dev/shm") / f"cairn-family-{os.getpid()}"
    try:
        for what in options.what:
            {"chain": chain, "models": models}[what](options, out)
    finally:
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(options.work, ignore_errors=True)


if __name__ == "__main__":
    main()
