#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Model files as their own tools write them, and as nobody should, come back bit for bit.

Files of every format by PyTorch and NumPy (tests/content/make_model_files.py, where they are
installed) and made by hand: odd, cut short, hostile. Each is archived alone and all of them as
a folder; restored; compared byte by byte with modes, times and links. The id that the command
shows is what b3sum or xxh128sum prints. A tensor that comes in two formats is stored once. All
of it holds again after the index is thrown away and rebuilt from the log.
"""
import io
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from cairn_command import MIB, SOURCE, Store, claim, differences, finish, same_content, scratch  # noqa: E402

SEED = 20240601
random.seed(SEED)
print("seed", SEED)
work = scratch("real-files")
files = work / "files"
files.mkdir()


# --- Files made by hand -------------------------------------------------------------------
def safetensors(tensors, padding=b"", trailing=b"", metadata=None, header=None):
    entries, data = {}, b""
    if metadata is not None:
        entries["__metadata__"] = metadata
    for name, (dtype, shape, content) in tensors.items():
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = (header if header is not None else json.dumps(entries).encode()) + padding
    return struct.pack("<Q", len(text)) + text + data + trailing


def npy(array_bytes, descr="<f4", shape="(4,)", version=1, spaces=0):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode() + b" " * spaces + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + array_bytes


def archive(entries, comment=b"", compression=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as target, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that is there twice is meant
        for name, content in entries:
            target.writestr(name, content)
        target.comment = comment
    return out.getvalue()


def hand_made():
    four = struct.pack("<4f", 1, -2, 3.5, 0)
    yield "empty", b""
    yield "empty.safetensors", b""
    yield "one-byte.pt", b"P"
    yield "zeros.bin", bytes(3 * MIB + 1)
    yield "random.dat", random.randbytes(2 * MIB + 77)
    yield "text.txt", b"the same line again and again\n" * 40000

    types = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2,
             "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1, "C64": 8, "F8_E8M0": 1}
    every = {name.lower(): (name, [3, 5], random.randbytes(15 * size)) for name, size in types.items()}
    every["packed"] = ("F4", [4, 4], random.randbytes(8))
    every["no elements"] = ("F32", [0, 7], b"")
    every["no dimensions"] = ("F32", [], four[:4])
    yield "types.safetensors", safetensors(every, metadata={"format": "pt", "note": "ü\u2028"})
    large = {"weight": ("BF16", [1024, 1600], random.randbytes(2 * 1024 * 1600)), "tail": ("F32", [4], four)}
    yield "blocks.safetensors", safetensors(large)
    yield "none.safetensors", safetensors({})
    one = {"w": ("F32", [4], four)}
    yield "padded.safetensors", safetensors(one, padding=b" \n\t ")
    yield "unaligned.safetensors", safetensors({"w": ("F32", [4], four), "x": ("U8", [1], b"\1"), "y": ("F32", [4], four)})
    yield "trailing.safetensors", safetensors(one, trailing=b"and something behind\n")
    yield "unknown-fields.safetensors", safetensors(
        {}, header=b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"colour":"red","deep":{"a":[1,{}]}}}') + four
    yield "duplicate-keys.safetensors", safetensors(
        {}, header=b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}') + four
    yield "duplicate-fields.safetensors", safetensors(
        {}, header=b'{"w":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}}') + four
    yield "overlapping.safetensors", safetensors(
        {}, header=b'{"a":{"dtype":"U8","shape":[12],"data_offsets":[0,12]},"b":{"dtype":"U8","shape":[12],"data_offsets":[4,16]}}') + four
    yield "holes.safetensors", safetensors(
        {}, header=b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[3,5]},"b":{"dtype":"U8","shape":[2],"data_offsets":[9,11]}}') + four
    yield "unknown-type.safetensors", safetensors({}, header=b'{"a":{"dtype":"Q3","shape":[2],"data_offsets":[0,16]}}') + four

    # Hostile: what they claim is not there, or is too much.
    yield "header-of-2^63.safetensors", struct.pack("<Q", 1 << 63) + b"{}"
    yield "header-of-2^40.safetensors", struct.pack("<Q", 1 << 40) + b"{" * 64
    yield "outside.safetensors", safetensors({}, header=b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,1000000000000]}}')
    yield "negative.safetensors", safetensors({}, header=b'{"a":{"dtype":"U8","shape":[-4],"data_offsets":[-4,0]}}') + four
    yield "overflow.safetensors", safetensors(
        {}, header=b'{"a":{"dtype":"F64","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,16]}}') + four
    yield "nested.safetensors", safetensors({}, header=b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}")
    yield "not-json.safetensors", safetensors({}, header=b'{"a":\xff\xfe}')
    yield "dots.safetensors", safetensors({"../../etc/passwd": ("U8", [1], b"x"), "\u0007": ("U8", [1], b"y")})

    yield "plain.npy", npy(four)
    yield "version2.npy", npy(four, version=2, spaces=33)
    yield "trailing.npy", npy(four) + b"trailing"
    yield "scalar.npy", npy(four[:4], shape="()")
    yield "no-elements.npy", npy(b"", shape="(0, 3)")
    yield "too-large.npy", npy(four, shape="(9223372036854775807, 9223372036854775807)")
    yield "bad-header.npy", b"\x93NUMPY\x01\x00\xff\xff{'descr': '__import__('os')'"
    yield "hand.npz", archive([("a.npy", npy(four)), ("b.npy", npy(b"", shape="(0,)")), ("readme", b"no array")])
    yield "comment.npz", archive([("a.npy", npy(four))], comment=b"a comment " * 100)
    yield "twice.npz", archive([("a.npy", npy(four)), ("a.npy", npy(four[::-1]))])
    yield "prefixed.npz", b"#!/bin/false\n" + archive([("a.npy", npy(four))])
    yield "deflated.npz", archive([("a.npy", npy(bytes(100000), shape="(25000,)"))], compression=zipfile.ZIP_DEFLATED)
    yield "up.zip", archive([("../../up.npy", npy(four)), ("/abs.npy", npy(four))])
    yield "bomb.npz", archive([("a.npy", bytes(20 * MIB))], compression=zipfile.ZIP_DEFLATED)
    directory = bytearray(archive([("a.npy", npy(four))]))
    directory[directory.rindex(b"PK\1\2") + 42 : directory.rindex(b"PK\1\2") + 46] = b"\xff\xff\xff\x7f"
    yield "elsewhere.npz", bytes(directory)
    yield "directory-only.zip", b"PK\5\6" + bytes(4) + b"\xff" * 12 + b"\0\0"
    yield "pickle.pt", archive([("x/data.pkl", b"\x80\x02cos\nsystem\nX\x04\0\0\0evil\x85R."), ("x/data/0", four)])
    yield "pickle-loop.pt", archive([("x/data.pkl", b"\x80\x02" + b"(" * 200000), ("x/data/0", four)])
    yield "pickle-huge.pt", archive([("x/data.pkl", b"\x80\x02\x8e" + struct.pack("<Q", 1 << 60) + b"x")])

    gguf = b"GGUF" + struct.pack("<I", 3)
    yield "tensors-2^60.gguf", gguf + struct.pack("<QQ", 1 << 60, 0) + bytes(64)
    yield "values-2^60.gguf", gguf + struct.pack("<QQ", 0, 1 << 60) + bytes(64)
    yield "nested.gguf", gguf + struct.pack("<QQ", 0, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 9, 1) * 5000
    yield "big-endian.gguf", b"GGUF" + struct.pack(">IQQ", 3, 1, 0) + bytes(64)
    yield "endless-varint.onnx", b"\x08" + b"\xff" * 4000
    yield "longer-than-file.onnx", b"\x08\x08\x3a\xff\xff\xff\xff\x0f" + four


for name, content in hand_made():
    (files / name).write_bytes(content)

maker = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
made = subprocess.run([maker, SOURCE / "tests/content/make_model_files.py", files], stdout=subprocess.PIPE,
                      stderr=subprocess.PIPE, text=True)
have_tools = made.returncode == 0
if made.returncode == 77:
    print("not here, so only files made by hand:", made.stderr.strip())
else:
    claim(have_tools, f"the model files could not be made: {made.stderr[-400:]}")
# What files of every tool look like when a copy broke off, and with bytes behind their end.
for path in sorted(files.iterdir()):
    content = path.read_bytes()
    if path.suffix not in (".pt", ".npz", ".npy", ".gguf", ".onnx", ".safetensors") or not 100 < len(content) < MIB:
        continue
    if path.stem.startswith(("shared", "state", "arrays", "tiny", "types", "tied", "hand", "plain")):
        for tag, cut in (("first", len(content) // 10), ("half", len(content) // 2), ("last", len(content) - 1)):
            (files / f"{path.stem}-{tag}{path.suffix}").write_bytes(content[:cut])
        (files / f"{path.stem}-longer{path.suffix}").write_bytes(content + b"behind the end")

# Modes, times, links, folders.
for number, path in enumerate(sorted(files.iterdir())):
    path.chmod((0o644, 0o600, 0o755, 0o444, 0o640)[number % 5])
    os.utime(path, ns=(10**18, 10**18 + 123456789 * number))
(files / "folder" / "below").mkdir(parents=True)
(files / "folder" / "no files").mkdir()
(files / "folder" / "below" / "copy").write_bytes((files / "random.dat").read_bytes())
(files / "folder" / "link").symlink_to("../types.safetensors")
(files / "folder" / "nowhere").symlink_to("/not/there")
(files / "folder" / "above").symlink_to("..")
os.utime(files / "folder" / "link", ns=(1, -5 * 10**8), follow_symlinks=False)
os.chmod(files / "folder" / "below", 0o555)
every_file = sorted(p for p in files.rglob("*") if p.is_file() and not p.is_symlink())
print(len(every_file), "files,", sum(p.stat().st_size for p in every_file), "bytes")


# --- Archive, restore, compare --------------------------------------------------------------
def sums(tool):
    """What `tool` prints for every file: {path in the archive: hexadecimal}."""
    if shutil.which(tool) is None:
        print("not here:", tool)
        return None
    lines = subprocess.run([tool, *map(str, every_file)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                           text=True, check=True).stdout
    return {os.path.relpath(line.split("  ", 1)[1], work): line.split("  ", 1)[0] for line in lines.splitlines()}


def compare_all(store, digest, tool, when):
    """The folder comes back, with the ids that `tool` prints, and nothing is damaged."""
    to = work / "restored"
    store.run("get", "all", "--to", to)
    for difference in differences(files, to / "files"):
        claim(False, f"{when}: {difference}")
    subprocess.run(["chmod", "-R", "u+w", to])
    shutil.rmtree(to)
    ids = {e["path"]: e["id"] for e in store.run("ls", "all").document() if e["kind"] == "file"}
    claim(len(ids) == len(every_file), f"{when}: {len(ids)} files are listed")
    expected = sums(tool)
    for path, hexadecimal in (expected or {}).items():
        claim(ids.get(path) == f"{digest}:{hexadecimal}", f"{when}: id of {path} is {ids.get(path)}, not {hexadecimal}")
    report = store.run("check", "--read-data").summary()
    claim(report["damaged"] == [] and report["bytes_read"] > 0, f"{when}: check finds {report['damaged']}")


for digest, tool in (("blake3", "b3sum"), ("xxh3-128", "xxh128sum")):
    store = Store(work / f"store-{digest}", "--digest", digest, "--segment-size", "16MiB")
    if digest == "blake3":
        for path in every_file:
            store.run("add", path, "--as", "one")
            to = work / "one"
            store.run("get", "one", "--to", to, "--overwrite")
            back = to / path.name
            if not claim(back.exists() and same_content(path, back), f"{path.name} comes back as something else"):
                continue
            for difference in differences(path, back):
                claim(False, f"alone: {difference}")
    added = store.run("add", files, "--as", "all").summary()
    claim(added["files"] == len(every_file), f"{added['files']} of {len(every_file)} files were archived")
    claim(added["unreadable"] == 0, f"{added['unreadable']} inputs were left out")
    claim(added["logical_bytes"] == sum(p.stat().st_size for p in every_file), "logical_bytes is not their sum")
    if digest == "blake3":
        claim(added["new_bytes"] == 0, f"{added['new_bytes']} bytes were new, though each file had been archived")
    compare_all(store, digest, tool, f"{digest}, as archived")

    again = store.run("add", files, "--as", "all", "--force").summary()
    claim(again["new_bytes"] == 0 and again["new_blocks"] == 0, f"again, {again['new_bytes']} bytes were new")

    shutil.rmtree(store.folder / "index")
    rebuilt = store.run("repair", "--index").summary()
    claim(rebuilt["records_replayed"] > 0 and rebuilt["quarantined"] == 0, f"repair says {rebuilt}")
    compare_all(store, digest, tool, f"{digest}, index rebuilt")
    shutil.rmtree(store.folder / "index")
    compare_all(store, digest, tool, f"{digest}, index deleted and not repaired")

# --- What the formats have in common ---------------------------------------------------------
formats = {e["path"]: (e["format"], e["tensors"]) for e in store.run("ls", "all").document() if e["kind"] == "file"}
claim(formats["files/types.safetensors"] == ("safetensors", 20), f"types.safetensors: {formats['files/types.safetensors']}")
claim(formats["files/hand.npz"] == ("npz", 2), f"hand.npz: {formats['files/hand.npz']}")
claim(formats["files/header-of-2^63.safetensors"] == ("opaque", 0), "a hostile header was believed")

MAKE_SHARED = """
import sys, json, struct, numpy, torch
folder = sys.argv[1]
weights = torch.from_numpy(numpy.random.default_rng(5).normal(0, .02, (1500, 1100)).astype(numpy.float32))
half = weights.to(torch.bfloat16)
torch.save({'w': weights, 'h': half}, folder + '/shared.pt')
raw = weights.numpy().tobytes()
raw2 = half.view(torch.int16).numpy().tobytes()
head = json.dumps({'w': {'dtype': 'F32', 'shape': [1500, 1100], 'data_offsets': [0, len(raw)]},
                   'h': {'dtype': 'BF16', 'shape': [1500, 1100], 'data_offsets': [len(raw), len(raw) + len(raw2)]}}).encode()
open(folder + '/shared.safetensors', 'wb').write(struct.pack('<Q', len(head)) + head + raw + raw2)
numpy.savez(folder + '/shared.npz', w=weights.numpy())
"""
if have_tools:
    shared = work / "shared"
    shared.mkdir()
    subprocess.run([maker, "-c", MAKE_SHARED, shared], check=True)
    store = Store(work / "store-shared")
    first = store.run("add", shared / "shared.pt", "--as", "pt").summary()
    claim(first["tensors"] == 2 and first["new_bytes"] >= 1500 * 1100 * 6, f"shared.pt: {first}")
    ids = {t["name"]: t["id"] for t in store.run("show", "pt").document()["tensors"]}
    for name, count in (("shared.safetensors", 2), ("shared.npz", 1)):
        second = store.run("add", shared / name, "--as", name).summary()
        claim(second["tensors"] == count, f"{name} has {second['tensors']} tensors")
        claim(second["new_bytes"] < 4096, f"{name} brought {second['new_bytes']} new bytes, though its tensors were known")
        found = {t["name"]: t["id"] for t in store.run("show", name).document()["tensors"]}
        for tensor, identity in found.items():
            claim(identity == ids[tensor], f"tensor {tensor} of {name} has another id than in shared.pt")
        store.run("get", name, "--to", work / "shared-back")
        claim(same_content(shared / name, work / "shared-back" / name), f"{name} comes back as something else")

finish("every file came back bit for bit")
