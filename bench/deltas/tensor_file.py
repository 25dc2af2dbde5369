# SPDX-License-Identifier: Apache-2.0
"""Reads and writes safetensors files with NumPy alone: a header's length, the header, the tensors' bytes."""

import json
import struct

import numpy

# NumPy has no bf16: its bits are kept as integers.
DTYPES = {"F32": numpy.dtype("<f4"), "BF16": numpy.dtype("<u2")}


def write(path, tensors, facts=None):
    """`tensors` maps names to arrays, of float32 or of a bf16's bits; `facts` are texts about them."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    header, offset = {"__metadata__": {"format": "pt", **{key: str(value) for key, value in (facts or {}).items()}}}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape),
                        "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            out.write(numpy.ascontiguousarray(array).data)


def read(path):
    """The tensors by name, in the file's order, and its facts."""
    data = numpy.fromfile(path, dtype=numpy.uint8)
    start = 8 + int(data[:8].view("<u8")[0])
    header = json.loads(data[8:start].tobytes())
    facts = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = (start + offset for offset in entry["data_offsets"])
        tensors[name] = data[begin:end].view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, facts
