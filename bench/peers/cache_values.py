#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Values of 1 KiB put into diskcache and joblib.Memory and read back, by 1 and by 8 processes.

    cache_values.py [--dir DIR] [--seconds SECONDS] [--rounds ROUNDS]

Beside `ingest results`, which does the same with Cairn, SQLite and RocksDB from threads. Processes,
because Python's threads take turns. diskcache is put into twice: as it comes (SQLite's WAL, synchronised at
checkpoints: a power cut loses what came last), and with sqlite_synchronous=2, where each put is durable before
it returns. joblib writes two files for each value and synchronises none. A get is of a value that was just
put, so that everything is in the page cache. (Debian's interpreter, for python3-diskcache and python3-joblib.)

Expected: a durable put costs what a flush of the disk does, and SQLite makes one for each, so that more
processes are not faster; a get from SQLite takes tens of microseconds, joblib's a look at the folder and
two opened files.
"""

import argparse
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time

import diskcache
import joblib

BYTES = 1024


def noise(key):
    return key.to_bytes(8, "little") + os.urandom(BYTES - 8)


class DiskCache:
    def __init__(self, folder, durable):
        self.cache = diskcache.Cache(folder, sqlite_synchronous=2 if durable else 1, timeout=60,
                                     eviction_policy="none")

    def put(self, key):
        self.cache.set(f"evaluations/architecture/{key:015d}", noise(key))

    def get(self, key):
        value = self.cache.get(f"evaluations/architecture/{key:015d}")
        assert len(value) == BYTES


class JoblibMemory:
    def __init__(self, folder):
        self.compute = joblib.Memory(folder, verbose=0).cache(noise)

    def put(self, key):
        self.compute(key)

    def get(self, key):
        assert len(self.compute(key)) == BYTES


CACHES = [
    ("diskcache, synchronous=FULL", lambda folder: DiskCache(folder, True)),
    ("diskcache, as it comes: not durable", lambda folder: DiskCache(folder, False)),
    ("joblib.Memory: not durable", JoblibMemory),
]


def work(make, folder, number, seconds, start, answers):
    cache = make(folder)
    start.wait()
    first = number << 32
    puts, gets = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        cache.put(first + len(puts))
        puts.append(time.perf_counter() - began)
    start.wait()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        cache.get(first + len(gets) * 7919 % len(puts))
        gets.append(time.perf_counter() - began)
    answers.put((puts, gets))


def measure(make, parent, processes, seconds):
    folder = tempfile.mkdtemp(dir=parent)
    try:
        make(folder)  # so that none makes it while another does
        start, answers = multiprocessing.Barrier(processes), multiprocessing.Queue()
        workers = [multiprocessing.Process(target=work, args=(make, folder, n, seconds, start, answers))
                   for n in range(processes)]
        for worker in workers:
            worker.start()
        times = [answers.get() for _ in workers]
        for worker in workers:
            worker.join()
        puts, gets = ([one for part in times for one in part[i]] for i in (0, 1))
        return [(len(calls) / seconds, statistics.median(calls) * 1e6,
                 sorted(calls)[int(len(calls) * 0.99)] * 1e6) for calls in (puts, gets)]
    finally:
        shutil.rmtree(folder)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--dir", default="build/peers")
    options.add_argument("--seconds", type=float, default=2)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    os.makedirs(given.dir, exist_ok=True)
    print(f"diskcache {diskcache.__version__}, joblib {joblib.__version__}, {BYTES} bytes, "
          f"medians of {given.rounds} rounds\n")
    print("| store | processes | puts/s | p50 us | p99 us | gets/s | p50 us | p99 us |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    figures = {}
    for _ in range(given.rounds):
        for name, make in CACHES:
            for processes in (1, 8):
                figures.setdefault((name, processes), []).append(measure(make, given.dir, processes, given.seconds))
    for (name, processes), rounds in figures.items():
        cells = [statistics.median(one[call][figure] for one in rounds) for call in (0, 1) for figure in (0, 1, 2)]
        print(f"| {name} | {processes} | " + " | ".join(f"{cell:,.0f}" for cell in cells) + " |")


if __name__ == "__main__":
    main()
