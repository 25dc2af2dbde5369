#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Large files: back byte by byte, in bounded memory, and free of charge the second time.

Quick: a generated safetensors file of 75 MiB and one of 300 MiB, whose peaks of memory must be
alike. CAIRN_TEST_SCALE=long: one of 8 GiB, and an opaque file above 4 GiB, mostly holes. Each is
added, added again with --force, restored and compared. Peak memory of `add` and of `get` is the
kernel's count for that one process (wait4), and at most 600 MiB.
"""
import json
import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from cairn_command import CAIRN, GIB, LONG, MIB, Run, Store, claim, finish, same_content, sanitized, scratch  # noqa: E402

PEAK_MAX = 600 * MIB
# What may be added to the log when nothing is new: manifests of a version, in two pages or three.
METADATA_MAX = 64 * 1024
SEED = 7
print("seed", SEED)
work = scratch("large-file")
random.seed(SEED)


def like_bf16(size):
    """Bytes that compress as weights do: the high byte of each element has few values."""
    high = random.choices((0x3B, 0xBB, 0x3C, 0xBC, 0x3A, 0xBA, 0x3D, 0xBD), (20, 20, 16, 16, 10, 10, 3, 3), k=size // 2)
    out = bytearray(size)
    out[0::2] = random.randbytes(size // 2)
    out[1::2] = bytes(high)
    return out


# Tensors are made of these pages, each block stamped with its number: every block is another,
# and making gigabytes of them takes no longer than writing them.
PAGES = {"BF16": like_bf16(4 * MIB), "F32": bytearray(random.randbytes(4 * MIB))}


def write_tensor(out, dtype, size, number):
    page = PAGES[dtype]
    for at in range(0, size, len(page)):
        for block in range(0, len(page), MIB // 4):
            struct.pack_into("<Q", page, block, number << 48 | at + block)
        out.write(memoryview(page)[: min(len(page), size - at)])


def write_safetensors(path, size):
    each = size // 8 // 4 * 4
    header = {}
    for number in range(8):
        dtype, width = (("BF16", 2) if number % 4 else ("F32", 4))
        header[f"layer.{number}"] = {"dtype": dtype, "shape": [each // width], "data_offsets": [number * each, (number + 1) * each]}
    text = json.dumps(header).encode()
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for number in range(8):
            write_tensor(out, header[f"layer.{number}"]["dtype"], each, number)


def write_sparse(path, size):
    """Holes, and random bytes in a few places: the first, the last, and around 4 GiB."""
    with open(path, "wb") as out:
        out.truncate(size)
        for at in (0, size // 3 + 1, 4 * GIB - 5 * MIB - 3, size - 9 * MIB):
            out.seek(at)
            out.write(random.randbytes(9 * MIB))


def measured(store, *arguments):
    """Runs the command and adds what the kernel says of this one process."""
    words = [CAIRN, "--json", "--store", str(store.folder), *map(str, arguments)]
    began = time.monotonic()
    with open(work / "out", "w+b") as out, open(work / "err", "w+b") as err:
        process = subprocess.Popen(words, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        done = Run(arguments, subprocess.CompletedProcess(words, process.returncode, out.read(), err.read()), usage)
    shown = " ".join(map(str, arguments))
    claim(done.code == 0, f"'cairn {shown}' ended with {done.code}: {done.err[-400:]!r}")
    done.peak, done.seconds = usage.ru_maxrss * 1024, time.monotonic() - began
    return done


def archive(name, path):
    """All of it for one file; returns the peaks of add and get."""
    size = path.stat().st_size
    store = Store(work / "store")
    add = measured(store, "add", path, "--as", name)
    report = add.summary()
    claim(report["logical_bytes"] == size and report["unreadable"] == 0, f"{name}: {report}")
    again = measured(store, "add", path, "--as", name, "--force").summary()
    claim(again["new_bytes"] == 0 and again["new_blocks"] == 0, f"{name}, again: {again['new_bytes']} bytes were new")
    claim(again["logical_bytes"] == size, f"{name}, again: {again['logical_bytes']} bytes were read")
    bound = 50e-6 * size if size >= GIB else METADATA_MAX
    claim(again["stored_bytes"] <= bound, f"{name}, again: {again['stored_bytes']} bytes were appended, over {bound:.0f}")
    get = measured(store, "get", name, "--to", work / "restored")
    claim(same_content(path, work / "restored" / path.name), f"{name} comes back as something else")
    for what, run in (("add", add), ("get", get)):
        print(f"{name}: {what} of {size / MIB:.0f} MiB in {run.seconds:.1f} s, peak {run.peak / MIB:.0f} MiB")
        if not sanitized():
            claim(run.peak <= PEAK_MAX, f"{name}: {what} took {run.peak / MIB:.0f} MiB at its peak")
    print(f"{name}: stored {report['stored_bytes'] / size:.3f} of it, and {again['stored_bytes']} bytes the second time")
    (work / "restored" / path.name).unlink()
    path.unlink()
    subprocess.run(["rm", "-rf", str(store.folder)], check=True)
    return add.peak, get.peak


if sanitized():
    print("built with sanitizers: memory is not judged")
peaks = {}
for name, size in (("75MiB", 75 * MIB), ("300MiB", 300 * MIB)):
    write_safetensors(work / f"{name}.safetensors", size)
    peaks[name] = archive(name, work / f"{name}.safetensors")
if not sanitized():
    for what, small, large in zip(("add", "get"), *peaks.values()):
        claim(large <= small + 100 * MIB, f"memory of {what} grows with the file: {small / MIB:.0f} MiB, {large / MIB:.0f} MiB")
if LONG:
    write_sparse(work / "sparse", 4 * GIB + 321 * MIB + 5)
    archive("sparse", work / "sparse")
    write_safetensors(work / "8GiB.safetensors", 8 * GIB)
    archive("8GiB", work / "8GiB.safetensors")
finish("large files came back, in bounded memory")
