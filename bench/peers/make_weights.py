#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a safetensors file of bf16 weights that are distributed as trained ones are.

    make_weights.py FILE MEBIBYTES [SEED]

Each row of each matrix is drawn from a normal distribution with a width of its own, as the
rows of trained layers are; the widths spread by a quarter around 0.02. Nothing repeats, so
no tool gains by deduplication, and the floats have the redundancy of floats only: sign and
mantissa none, the exponent about 2.6 bits of its 8. (Debian's interpreter, for its NumPy.)
"""

import json
import struct
import sys

import numpy


def bf16_bytes(values):
    bits = values.view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    path, mebibytes = sys.argv[1], int(sys.argv[2])
    random = numpy.random.default_rng(int(sys.argv[3]) if len(sys.argv) == 4 else 1)
    columns, rows_left = 4096, mebibytes * 128  # a row of 4096 is 8 KiB
    header, shapes, offset = {"__metadata__": {"format": "pt"}}, [], 0
    while rows_left:
        rows = min(rows_left, 4096)
        size = rows * columns * 2
        header[f"layers.{len(shapes)}.weight"] = {"dtype": "BF16", "shape": [rows, columns],
                                                  "data_offsets": [offset, offset + size]}
        shapes.append(rows)
        offset += size
        rows_left -= rows
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for rows in shapes:
            widths = 0.02 * numpy.exp(0.25 * random.standard_normal((rows, 1), dtype=numpy.float32))
            out.write(bf16_bytes(random.standard_normal((rows, columns), dtype=numpy.float32) * widths))


if __name__ == "__main__":
    main()
