#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How fast the command archives and restores, beside what the disk does, in one run.

  bench/throughput.py [--dir DIR] [--size MEBIBYTES] [--rounds N] [--cairn PATH]

Held constant: one file of random bytes as an .npy tensor (nothing compresses), one of
trained-like bf16 weights, blake3, one store per run, everything on the file system under
DIR. Each round runs every line once, so that a slow minute of the machine meets all.

Expected: adding random data costs three digests, a checksum and a copy, about 0.7 CPU-s
per GB, so at most the disk's own rate on two cores; adding weights also encodes them (6
GB/s a core) and writes 0.67 of them; re-adding costs the digests alone; reading costs one
digest.

`add` ends with the data synced. Reads of "cold" lines start with the page cache dropped
(root). `get` leaves its output in the page cache, as cp does; `cat` writes to /dev/null.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(*command, **options):
    began = time.monotonic()
    subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    return time.monotonic() - began


def drop_caches():
    subprocess.run(["sync"], check=True)
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")


def warm(path):
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 22):
            pass


def fio(work, size):
    out = subprocess.run([ROOT / "bench/disk_ceiling.sh", "--json", work, str(size)], check=True, capture_output=True)
    figures = json.loads(out.stdout)
    return figures["write_bw_bytes"] / 1e9, figures["read_bw_bytes"] / 1e9


def make_random_npy(path, size):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},), }}".encode()
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    with open(path, "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        for _ in range(size >> 20):
            out.write(os.urandom(1 << 20))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", default=ROOT / "build/bench-data", type=pathlib.Path)
    parser.add_argument("--size", default=1024, type=int, help="MiB of each input")
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--cairn", default=ROOT / "build/release/api/cli/cairn", type=pathlib.Path)
    options = parser.parse_args()
    work = options.dir / "throughput"
    work.mkdir(parents=True, exist_ok=True)
    size = options.size << 20
    noise, weights = work / "noise.npy", work / "weights.safetensors"
    make_random_npy(noise, size)
    run(ROOT / "bench/peers/make_weights.py", weights, options.size)
    cairn, store, out = options.cairn, work / "store", work / "out"
    figures = {}

    def note(name, bytes_done, seconds):
        figures.setdefault(name, []).append(bytes_done / seconds / 1e9)

    def fresh():
        shutil.rmtree(store, ignore_errors=True)
        run(cairn, "--store", store, "init")

    try:
        for turn in range(options.rounds):
            print(f"round {turn + 1} of {options.rounds}", file=sys.stderr)
            write, read = fio(work, size)
            figures.setdefault("fio write", []).append(write)
            figures.setdefault("fio read", []).append(read)
            for name, source, codec in (("random, none", noise, "none"), ("bf16, auto", weights, "auto")):
                fresh()
                warm(source)
                note(f"add {name}", size, run(cairn, "--store", store, "add", "--codec", codec, source, "--as", "x"))
                note(f"re-add {name}, warm", size, run(cairn, "--store", store, "add", "--force", source, "--as", "x"))
                drop_caches()
                note(f"re-add {name}, cold", size, run(cairn, "--store", store, "add", "--force", source, "--as", "x"))
                drop_caches()
                note(f"cat {name}, cold", size, run(cairn, "--store", store, "cat", "x@1", source.name))
                drop_caches()
                shutil.rmtree(out, ignore_errors=True)
                note(f"get {name}, cold", size, run(cairn, "--store", store, "get", "x@1", "--to", out))
                shutil.rmtree(out, ignore_errors=True)
                note(f"get {name}, warm", size, run(cairn, "--store", store, "get", "x@1", "--to", out))
                subprocess.run(["cmp", source, out / source.name], check=True)
                shutil.rmtree(out, ignore_errors=True)
                note(f"cp {name}, warm", size, run("cp", source, work / "copy"))
                (work / "copy").unlink()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    write, read = (statistics.median(figures[f"fio {side}"]) for side in ("write", "read"))
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    print(f"{os.cpu_count()} cores, {options.size} MiB each, {options.rounds} rounds, medians, commit {commit.stdout.strip()}")
    print(f"| what | GB/s | least | most | of fio's write | of fio's read |\n|---|---:|---:|---:|---:|---:|")
    for name, rates in figures.items():
        rate = statistics.median(rates)
        print(f"| {name} | {rate:.2f} | {min(rates):.2f} | {max(rates):.2f} | {rate / write:.2f} | {rate / read:.2f} |")


if __name__ == "__main__":
    main()
