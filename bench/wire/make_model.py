#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a model of several safetensors files whose floats nothing can make smaller.

    make_model.py FOLDER MEBIBYTES FILES [SEED]

Every bit of every bf16 is random, so that what is moved is the same number of bytes for every tool, and no tool gains by
a codec. (Debian's interpreter, for its NumPy.)
"""

import json
import pathlib
import struct
import sys

import numpy

ROW_BYTES = 8192
TENSOR_ROWS = 4096


def write_file(path, rows, random):
    header, shapes, offset = {"__metadata__": {"format": "pt"}}, [], 0
    while rows:
        taken = min(rows, TENSOR_ROWS)
        size = taken * ROW_BYTES
        header[f"layers.{len(shapes)}.weight"] = {"dtype": "BF16", "shape": [taken, ROW_BYTES // 2],
                                                  "data_offsets": [offset, offset + size]}
        shapes.append(size)
        offset += size
        rows -= taken
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for size in shapes:
            out.write(random.bytes(size))


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    folder, mebibytes, files = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    random = numpy.random.default_rng(int(sys.argv[4]) if len(sys.argv) == 5 else 1)
    folder.mkdir(parents=True)
    rows = mebibytes * 1048576 // ROW_BYTES
    for number in range(files):
        share = rows * (number + 1) // files - rows * number // files
        write_file(folder / f"model-{number + 1:05}-of-{files:05}.safetensors", share, random)


if __name__ == "__main__":
    main()
