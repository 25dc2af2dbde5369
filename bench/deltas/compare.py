#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint costs beside the one before it: Cairn, zstd, BitX restated and restic.

    bench/deltas/compare.py --pairs FOLDER --work DIR --cairn COMMAND [--only WORD]

The pairs are those of train_pairs.py. A table for each: the bytes beside the base, the part of the raw
size, bits for each float of all tensors together and of the weights (w), first moments (m) and second
moments (v) alone, GB/s of raw content. methods.py says what each row is.

Expected. A mantissa that moved is noise below the size of its step, and no method gets below the noise.
bf16 after a low rate: most floats keep their upper byte, and frozen tensors cost nothing; restic finds these only.
fp32 one step on: the step is one new gradient, about 24 bits of the 96 of w, m and v. Methods that
see each part alone pay for it three times.
"""

import argparse
import os
import pathlib
import shutil
import subprocess

import methods
import tensor_file

PAIRS = [("fine-tune, bf16", ["pretrained", "tuned"]),
         ("pretraining, fp32 and moments, 1 step", ["pretraining-0400", "pretraining-0401"]),
         ("pretraining, fp32 and moments, 10 steps", ["pretraining-0400", "pretraining-0410"]),
         ("pretraining, fp32 and moments, 100 steps", ["pretraining-0400", "pretraining-0500"]),
         ("fine-tune, fp32 and moments, 1 step", ["tuning-0030", "tuning-0031"]),
         ("fine-tune, fp32 and moments, 10 steps", ["tuning-0030", "tuning-0040"]),
         ("chain of 16, bf16, 5 steps each", [f"chain-{i:02}" for i in range(16)])]


def first_line(path, word):
    return next((line.split(":", 1)[1].strip() for line in open(path) if line.startswith(word)), "unknown")


def machine(work):
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=pathlib.Path(__file__).parent, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout.strip()
    kind = subprocess.run(["stat", "-f", "-c", "%T", work], text=True, stdout=subprocess.PIPE,
                          check=True).stdout.strip()
    return f"{first_line('/proc/cpuinfo', 'model name')}, {len(os.sched_getaffinity(0))} cores, {kind}, commit {commit}"


def versions_of(files, part, work):
    """The files, or copies with the tensors of one part: each in a folder of its own, all of one name."""
    versions = []
    for number, file in enumerate(files):
        path = methods.fresh(work / "versions" / str(number)) / "model.safetensors"
        if part is None:
            shutil.copyfile(file, path)
        else:
            tensors, _ = tensor_file.read(file)
            tensor_file.write(path, {name: tensor for name, tensor in tensors.items() if name.startswith(part + ".")})
        versions.append(path)
    return versions


def floats_in(path):
    return sum(tensor.size for tensor in tensor_file.read(path)[0].values())


def measure(method, files, part, work):
    """The cost, the raw bytes and the floats of the versions after the first."""
    versions = versions_of(files, part, work)
    cost = method(versions)
    return cost, sum(p.stat().st_size for p in versions[1:]), sum(floats_in(p) for p in versions[1:])


def print_pair(title, files, subjects, work):
    parts = [part for part in "wmv" if any(name.startswith(part + ".") for name in tensor_file.read(files[0])[0])]
    print(f"\n{title}: {sum(f.stat().st_size for f in files[1:]) / 1e6:.1f} MB beside {files[0].name}\n")
    columns = ["method", "bytes", "of raw", "bits/float", *parts, "encode GB/s", "decode GB/s"]
    print(f"| {' | '.join(columns)} |\n|---|{'---:|' * (len(columns) - 1)}", flush=True)
    for name, method in subjects:
        cost, raw, floats = measure(method, files, None, work)
        alone = [f"{8 * c.bytes / f:.2f}" for c, _, f in (measure(method, files, part, work) for part in parts)]
        cells = [name, f"{cost.bytes}", f"{cost.bytes / raw:.3f}", f"{8 * cost.bytes / floats:.2f}", *alone,
                 f"{raw / cost.encode_s / 1e9:.2f}", f"{raw / cost.decode_s / 1e9:.2f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--cairn", type=pathlib.Path, required=True)
    parser.add_argument("--only", default="", help="the pairs whose titles hold this")
    parser.add_argument("--method", default="", help="the methods whose names hold this")
    options = parser.parse_args()
    work = methods.fresh(options.work / "deltas")
    cairn = options.cairn.resolve()
    subjects = [("zstd -3", methods.zstd_3), ("zstd -3 --patch-from", methods.zstd_3_patch),
                ("BitX, zstd -3 of the whole", methods.bitx_whole), ("BitX, zstd -3 of byte planes", methods.bitx_planes)]
    if shutil.which("restic"):
        subjects.append(("restic", methods.Restic(work)))
    subjects += [("cairn add --base none", methods.Cairn(cairn, work, "none", optimized=False)),
                 ("cairn add", methods.Cairn(cairn, work, "auto", optimized=False)),
                 ("cairn add, optimize", methods.Cairn(cairn, work, "auto", optimized=True))]
    subjects = [subject for subject in subjects if options.method in subject[0]]
    print(machine(work))
    for title, names in PAIRS:
        if options.only in title:
            print_pair(title, [options.pairs / f"{name}.safetensors" for name in names], subjects, work)
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
