#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes model files with the tools that users have, and says what is in them.

make_model_files.py FOLDER writes the files and prints one line per tensor that
parse_model_file() must find, and one "file" line before those of each file:

    file <name> <format>
    tensor <name> <dtype> <attribute> <shape, as 2x3, or - for no dimensions> <bytes in hex, or ->

Exit status 77: NumPy or PyTorch is missing (the reason is on stderr).
"""
import json
import struct
import sys
from collections import OrderedDict
from pathlib import Path

try:
    import numpy as np
    import torch
except ImportError as missing:
    print(missing, file=sys.stderr)
    sys.exit(77)

out = Path(sys.argv[1])


def expect_file(name, kind):
    print(f"file {name} {kind}")


def expect(name, dtype, shape, data, attribute=0):
    dims = "x".join(str(d) for d in shape) or "-"
    print(f"tensor {name} {dtype} {attribute} {dims} {bytes(data).hex() or '-'}")


TORCH_NAMES = {
    torch.float32: "f32", torch.float64: "f64", torch.float16: "f16", torch.bfloat16: "bf16",
    torch.int64: "i64", torch.int32: "i32", torch.int16: "i16", torch.int8: "i8", torch.uint8: "u8",
    torch.bool: "bool", torch.complex64: "complex64", torch.complex128: "complex128",
}


def torch_bytes(tensor):
    tensor = tensor.detach().contiguous()
    if tensor.numel() == 0:
        return b""
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.numpy().tobytes()


def expect_torch(name, tensor):
    expect(name, TORCH_NAMES[tensor.dtype], tensor.shape, torch_bytes(tensor))


def pytorch_files():
    torch.manual_seed(1)
    state = OrderedDict()
    for dtype in TORCH_NAMES:
        state["layers." + TORCH_NAMES[dtype]] = (torch.arange(12).reshape(3, 4) % 2 * 3).to(dtype)
    state["scalar"] = torch.tensor(2.5)
    state["empty"] = torch.zeros(0, 4)
    state["parameter"] = torch.nn.Parameter(torch.randn(5))
    torch.save(state, out / "state.pt")
    expect_file("state.pt", "pytorch")
    for name, tensor in state.items():
        expect_torch(name, tensor)

    # Views that tile a storage are tensors; so is what they leave.
    base = torch.arange(20, dtype=torch.float32)
    torch.save({"b": base[10:15].reshape(5, 1), "a": base[:10].reshape(2, 5)}, out / "views.pt")
    expect_file("views.pt", "pytorch")
    expect_torch("a", base[:10].reshape(2, 5))
    expect_torch("b", base[10:15].reshape(5, 1))
    expect_torch("views/data/0", base[15:])

    # A transposed view is none of its storage's own order.
    square = torch.arange(6, dtype=torch.int32).reshape(2, 3)
    torch.save([square.t()], out / "transposed.bin")
    expect_file("transposed.bin", "pytorch")
    expect_torch("transposed/data/0", square.reshape(6))

    # Tied weights are one tensor, under the first name.
    tied = torch.randn(4, 2)
    torch.save({"embed": tied, "head": tied, "again": tied.view(4, 2)}, out / "tied.pth")
    expect_file("tied.pth", "pytorch")
    expect_torch("embed", tied)

    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": 7, "note": "x"}
    for protocol in (2, 4):
        name = f"checkpoint{protocol}.ckpt"
        torch.save(checkpoint, out / name, pickle_protocol=protocol)
        expect_file(name, "pytorch")
        for key, tensor in model.state_dict().items():
            expect_torch("model." + key, tensor)
        for number, values in optimizer.state_dict()["state"].items():
            for key, tensor in values.items():
                expect_torch(f"optimizer.state.{number}.{key}", tensor)

    # A whole module is an object of a class that is not known; its parts are found.
    linear = torch.nn.Linear(2, 2)
    torch.save(linear, out / "module.pt")
    expect_file("module.pt", "pytorch")
    expect_torch("_parameters.weight", linear.weight)
    expect_torch("_parameters.bias", linear.bias)

    torch.save(torch.arange(3), out / "alone.pt")
    expect_file("alone.pt", "pytorch")
    expect_torch("tensor", torch.arange(3))

    torch.save(state, out / "legacy.pt", _use_new_zipfile_serialization=False)
    expect_file("legacy.pt", "opaque")


NUMPY_NAMES = {
    "bool": "bool", "uint8": "u8", "int8": "i8", "uint16": "u16", "int16": "i16", "uint32": "u32", "int32": "i32",
    "uint64": "u64", "int64": "i64", "float16": "f16", "float32": "f32", "float64": "f64",
    "complex64": "complex64", "complex128": "complex128",
}


def numpy_files():
    arrays = {name: (np.arange(6).reshape(2, 3) % 2).astype(name) for name in NUMPY_NAMES}
    arrays["scalar"] = np.float32(1.5)
    arrays["empty"] = np.zeros((3, 0), np.float64)
    np.savez(out / "arrays.npz", **arrays)
    expect_file("arrays.npz", "npz")
    for name, array in arrays.items():
        expect(name, NUMPY_NAMES[str(array.dtype)], array.shape, array.tobytes())

    fortran = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    np.save(out / "fortran.npy", fortran)
    expect_file("fortran.npy", "npy")
    expect("array", "f32", (2, 3), fortran.tobytes(order="F"), attribute=1)
    np.save(out / "big.npy", fortran.astype(">f4"))
    expect_file("big.npy", "npy")
    expect("array", "f32", (2, 3), fortran.astype(">f4").tobytes(order="F"), attribute=3)
    np.save(out / "column.npy", np.asfortranarray(np.arange(4, dtype=">i8").reshape(4, 1)))
    expect_file("column.npy", "npy")
    expect("array", "i64", (4, 1), np.arange(4, dtype=">i8").tobytes(), attribute=2)

    np.savez_compressed(out / "compressed.npz", a=np.zeros(100))
    expect_file("compressed.npz", "npz")
    np.save(out / "objects.npy", np.array([{}, None], dtype=object), allow_pickle=True)
    expect_file("objects.npy", "opaque")
    np.save(out / "records.npy", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i2")]))
    expect_file("records.npy", "opaque")


def shared_tensor():
    """One tensor in three formats: types, shapes, attributes and bytes are equal."""
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.savez(out / "shared.npz", w=array)
    torch.save({"w": torch.from_numpy(array)}, out / "shared.pt")
    header = json.dumps({"w": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]}}).encode()
    (out / "shared.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + array.tobytes())
    for name, kind in (("shared.npz", "npz"), ("shared.pt", "pytorch"), ("shared.safetensors", "safetensors")):
        expect_file(name, kind)
        expect("w", "f32", (3, 4), array.tobytes())


def gguf_file():
    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()

    values = text("general.name") + struct.pack("<I", 8) + text("tiny")
    values += text("tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc")
    values += text("general.alignment") + struct.pack("<II", 4, 64)
    tensors = [("plain", 0, (3, 2), np.arange(6, dtype=np.float32).tobytes(), "f32", 0),
               ("half", 30, (4,), bytes(range(8)), "bf16", 0),
               ("quantised", 12, (256, 2), bytes(i % 251 for i in range(288)), "ggml", 12)]
    infos, data = b"", b""
    for name, kind, ne, raw, _, _ in tensors:
        infos += text(name) + struct.pack("<I", len(ne)) + struct.pack(f"<{len(ne)}Q", *ne)
        infos += struct.pack("<IQ", kind, len(data))
        data += raw + bytes(-len(raw) % 64)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 3) + values + infos
    (out / "tiny.gguf").write_bytes(head + bytes(-len(head) % 64) + data)
    expect_file("tiny.gguf", "gguf")
    for name, _, ne, raw, dtype, attribute in tensors:
        expect(name, dtype, tuple(reversed(ne)), raw, attribute)


def onnx_file():
    def varint(value):
        encoded = b""
        while value > 127:
            encoded += bytes([value & 127 | 128])
            value >>= 7
        return encoded + bytes([value])

    def number(field, value):
        return varint(field << 3) + varint(value)

    def message(field, payload):
        return varint(field << 3 | 2) + varint(len(payload)) + payload

    raw = np.arange(6, dtype=np.float16).tobytes()
    weight = number(1, 2) + number(1, 3) + number(2, 10) + message(8, b"weight") + message(9, raw)
    packed = message(1, varint(300)) + number(2, 2) + message(8, b"packed") + message(9, bytes(300))
    typed = number(1, 2) + number(2, 1) + message(4, struct.pack("<2f", 1, 2)) + message(8, b"typed")
    graph = message(2, b"main") + message(5, weight) + message(5, packed) + message(5, typed)
    model = number(1, 8) + message(2, b"hand") + message(7, graph) + message(8, number(2, 17))
    for name in ("tiny.onnx", "nameless"):
        (out / name).write_bytes(model)
        expect_file(name, "onnx")
        expect("weight", "f16", (2, 3), raw)
        expect("packed", "u8", (300,), bytes(300))


pytorch_files()
numpy_files()
shared_tensor()
gguf_file()
onnx_file()
