# SPDX-License-Identifier: Apache-2.0
"""What versions of a file cost beside the first: each method takes their paths, oldest first.

A method returns a Cost of all versions after the first, each against the one before it, and has
checked that they come back bit for bit. zstd and BitX run in memory on one thread; restic and
cairn are whole commands on all cores, from and to files in the page cache.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import time

import numpy

import tensor_file
import zstd_library


@dataclasses.dataclass
class Cost:
    bytes: int = 0
    encode_s: float = 0.0
    decode_s: float = 0.0

    def __iadd__(self, other):
        self.bytes, self.encode_s, self.decode_s = (self.bytes + other.bytes, self.encode_s + other.encode_s,
                                                    self.decode_s + other.decode_s)
        return self


def timed(call, *arguments):
    began = time.perf_counter()
    result = call(*arguments)
    return result, time.perf_counter() - began


def checked(method, same):
    if not same:
        raise SystemExit(f"{method} did not restore what it was given")


def zstd_3(versions, against_the_one_before=False):
    total = Cost()
    for before, path in zip(versions, versions[1:]):
        data = numpy.fromfile(path, numpy.uint8)
        base = numpy.fromfile(before, numpy.uint8) if against_the_one_before else None
        coded, encode_s = timed(zstd_library.compress, data, 3, base)
        restored, decode_s = timed(zstd_library.decompress, coded, data.nbytes, base)
        checked("zstd", numpy.array_equal(restored, data))
        total += Cost(coded.nbytes, encode_s, decode_s)
    return total


def zstd_3_patch(versions):
    return zstd_3(versions, against_the_one_before=True)


def bitx(versions, by_planes):
    """BitX restated: each tensor's exclusive or with the base's tensor of that name, zstd -3 of the whole
    or of each of its byte planes."""
    def encode(data, base):
        difference = data ^ base
        if not by_planes:
            return [zstd_library.compress(difference.view(numpy.uint8))]
        planes = difference.view(numpy.uint8).reshape(-1, data.itemsize)
        return [zstd_library.compress(numpy.ascontiguousarray(planes[:, i])) for i in range(data.itemsize)]

    def decode(coded, base):
        if not by_planes:
            return zstd_library.decompress(coded[0], base.nbytes).view(base.dtype) ^ base
        planes = numpy.empty((base.size, base.itemsize), numpy.uint8)
        for i, plane in enumerate(coded):
            planes[:, i] = zstd_library.decompress(plane, base.size)
        return planes.reshape(-1).view(base.dtype) ^ base

    total = Cost()
    for before, path in zip(versions, versions[1:]):
        bases, tensors = tensor_file.read(before)[0], tensor_file.read(path)[0]
        # The header and what the file has beside tensors.
        total.bytes += path.stat().st_size - sum(t.nbytes for t in tensors.values())
        for name, tensor in tensors.items():
            bits = f"<u{tensor.itemsize}"
            data, base = tensor.reshape(-1).view(bits), bases[name].reshape(-1).view(bits)
            coded, encode_s = timed(encode, data, base)
            restored, decode_s = timed(decode, coded, base)
            checked("BitX", numpy.array_equal(restored, data))
            total += Cost(sum(part.nbytes for part in coded), encode_s, decode_s)
    return total


def bitx_whole(versions):
    return bitx(versions, by_planes=False)


def bitx_planes(versions):
    return bitx(versions, by_planes=True)


def run(command, environment=None):
    done = subprocess.run([str(part) for part in command], env=environment, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: status {done.returncode}: {done.stderr.decode()[-500:]}")
    return done.stdout


def same_files(one, other):
    return subprocess.run(["cmp", "-s", one, other], check=False).returncode == 0


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class Restic:
    def __init__(self, scratch):
        self.scratch = scratch

    def __call__(self, versions):
        repository, out = fresh(self.scratch / "restic"), self.scratch / "out"
        environment = dict(os.environ, RESTIC_PASSWORD="peer", RESTIC_CACHE_DIR=str(self.scratch / "restic-cache"))
        restic = ["restic", "-q", "-r", repository]
        run([*restic, "init", "--repository-version", "2"], environment)
        sizes, total = [], Cost()
        for number, path in enumerate(versions):
            _, encode_s = timed(run, [*restic, "backup", "--compression", "auto", path], environment)
            sizes.append(sum(p.stat().st_size for p in repository.rglob("*") if p.is_file()))
            _, decode_s = timed(run, [*restic, "restore", "latest", "--target", fresh(out)], environment)
            checked("restic", same_files(path, next(p for p in out.rglob(path.name) if p.is_file())))
            if number > 0:
                total += Cost(0, encode_s, decode_s)
        total.bytes = sizes[-1] - sizes[0]
        for folder in (repository, out, self.scratch / "restic-cache"):
            shutil.rmtree(folder, ignore_errors=True)
        return total


class Cairn:
    """Versions of one name, each added with `base`. With `optimized`, the cost is what a store with all versions holds after
    `optimize` beside a store with the first alone, treated the same. Before the log is measured, `gc`
    takes everything dead out of it."""

    def __init__(self, command, scratch, base, optimized):
        self.command, self.scratch, self.base, self.optimized = command, scratch, base, optimized

    def __call__(self, versions):
        first, _ = self.store_of(versions[:1])
        all_of_them, total = self.store_of(versions)
        total.bytes = all_of_them - first
        return total

    def store_of(self, versions):
        """The log's bytes, and the seconds for adding and getting all versions but the first."""
        store, out, total = fresh(self.scratch / "cairn"), self.scratch / "out", Cost()
        cairn = [self.command, "--store", store, "--quiet", "--yes"]
        run([self.command, "init", store])
        for number, path in enumerate(versions):
            _, encode_s = timed(run, [*cairn, "add", path, "--as", "model", "--base", self.base])
            if number > 0:
                total.encode_s += encode_s
        if self.optimized:
            _, encode_s = timed(run, [*cairn, "optimize", "model"])
            total.encode_s += encode_s
        run([*cairn, "gc", "--max-dead", "0%"])
        stored = json.loads(run([self.command, "--store", store, "--json", "stats"]))["log_bytes"]
        for number, path in enumerate(versions):
            fresh(out)
            _, decode_s = timed(run, [*cairn, "get", f"model@{number + 1}", "--to", out])
            checked("cairn", same_files(path, out / path.name))
            if number > 0:
                total.decode_s += decode_s
        shutil.rmtree(store)
        shutil.rmtree(out)
        return stored, total
