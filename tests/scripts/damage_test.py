#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One segment in twenty is damaged: all of it is found, exactly what needs it is named, the rest is
read, and the same content, added again, heals it.

Which file a flipped bit belongs to is not asked of Cairn: content is noise that is stored as it
is, so the page of the log that is damaged is looked up among the pages of the files that were
archived. With CAIRN_TEST_SCALE=long 1 GiB in 256 segments, else 48 MiB in 48. CAIRN_TEST_SEED
repeats the places.
"""
import json
import os
import random
import shutil
import struct

from cairn_command import LONG, MIB, Store, claim, differences, finish, scratch

SEED = int(os.environ.get("CAIRN_TEST_SEED", "1"))
FILES, FILE_BYTES, SEGMENT = (128, 8 * MIB, "4MiB") if LONG else (24, 2 * MIB, "1MiB")
FLIPS, PAGE, TENSORS = 4, 4096, 4

chance = random.Random(SEED)
folder = scratch("damage")
inputs = folder / "inputs"
inputs.mkdir()
owner = {}  # the file that a page of the log is from, by how the page begins

for number in range(FILES):
    name = f"model-{number:03}.safetensors"
    size = FILE_BYTES // TENSORS
    layout = {f"t{i}": {"dtype": "U8", "shape": [size], "data_offsets": [i * size, (i + 1) * size]} for i in range(TENSORS)}
    header = json.dumps(layout).encode()
    content = chance.randbytes(FILE_BYTES)
    (inputs / name).write_bytes(struct.pack("<Q", len(header)) + header + content)
    for at in range(0, FILE_BYTES, PAGE):
        owner[content[at : at + 16]] = name

store = Store(folder / "store", "--block-size", "64KiB", "--segment-size", SEGMENT)
store.run("add", inputs, "--as", "all")
store.run("check", "--read-data")

segments = sorted((folder / "store/log").glob("*.seg"))
damaged = chance.sample(segments[:-1], max(2, len(segments) // 20))
hurt, flips = set(), 0
for segment in damaged:
    pages = segment.stat().st_size // PAGE
    with open(segment, "r+b") as file:
        done = 0
        while done < FLIPS:
            at = chance.randrange(pages) * PAGE
            file.seek(at)
            page = file.read(PAGE)
            if page[:16] not in owner:  # a head, a table or a manifest: other tests damage these
                continue
            place = 16 + chance.randrange(PAGE - 16)
            file.seek(at + place)
            file.write(bytes([page[place] ^ 1 << chance.randrange(8)]))
            hurt.add(owner[page[:16]])
            done += 1
    flips += done
print(f"{flips} bits flipped in {len(damaged)} of {len(segments)} segments, CAIRN_TEST_SEED={SEED}")

report = store.run("check", "--read-data", expect=4).summary()
named = {path.rsplit("/", 1)[-1].rsplit(":", 1)[-1] for place in report["damaged"] for path in place["affected"]}
claim(named == hurt, f"named are {sorted(named ^ hurt)} wrongly or not at all")
claim(all(place["affected"] and place["id"] for place in report["damaged"]), "a damaged place without what it affects")
blocks = {place["id"] for place in report["damaged"]}
claim(len(blocks) <= flips, f"{len(blocks)} damaged blocks of {flips} flips")

restored = folder / "restored"
store.run("get", "all", "--to", restored, expect=4)
whole = sorted(path.name for path in restored.rglob("*.safetensors"))
claim(whole == sorted(path.name for path in inputs.iterdir() if path.name not in hurt), "other files were restored")
for path in restored.rglob("*.safetensors"):
    claim(path.read_bytes() == (inputs / path.name).read_bytes(), f"{path.name} was restored with other content")
shutil.rmtree(restored)

repaired = store.run("repair", expect=4).summary()
claim(repaired["quarantined"] == len(blocks), f"{repaired['quarantined']} quarantined of {len(blocks)} blocks")
claim({place["id"] for place in repaired["damaged"]} == blocks, "repair found other blocks than check")

store.run("add", inputs, "--as", "all")
healed = store.run("check", "--read-data").summary()
claim(healed["damaged"] == [], "damage is left")
for version in ("all@1", "all@2"):
    store.run("get", version, "--to", restored)
    claim(not differences(inputs, next(restored.iterdir())), f"{version} differs from what was added")
    shutil.rmtree(restored)
store.run("gc", "--max-dead", "0%", "--yes")
store.run("check", "--read-data")
finish(f"{len(blocks)} damaged blocks found, {len(hurt)} of {FILES} files named, all healed")
