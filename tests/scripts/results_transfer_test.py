#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `cairn results export` writes, `cairn results import` makes the same results of, in another store.

Keys that are no text, JSON that another program would write otherwise, tensors, and serializers that the command does
not know come back byte for byte. A line that is wrong is named by its number, and nothing of its batch is put. Random
damage to a file (CAIRN_TEST_SEED repeats it) is refused or imported, and never more than that.
"""
import base64
import json
import os
import random
import subprocess

from cairn_command import CAIRN, LONG, Store, claim, finish, scratch

SEED = int(os.environ.get("CAIRN_TEST_SEED", "1"))
folder = scratch("results")
LINES = folder / "lines.jsonl"


def line(key, **fields):
    if not {"json", "json_text", "base64"} & fields.keys():
        fields["base64"] = "eA=="
    return json.dumps({"key": key, "serializer": "bytes", **fields})


def put(store, lines, *flags, expect=0):
    data = [one if isinstance(one, bytes) else one.encode() for one in lines]
    LINES.write_bytes(b"\n".join(data) + b"\n")
    return store.run("results", "import", LINES, *flags, expect=expect)


def exported(store, *arguments):
    """The lines as objects, without what another store says otherwise."""
    rows = [json.loads(one) for one in store.run("results", "export", *arguments).out.splitlines()]
    for row in rows:
        claim(row.pop("schema_version") == 1 and row.pop("version") > 0 and row.pop("created"), f"a line lacks {row}")
    return rows


def value(store, key, *flags):
    words = [CAIRN, "--store", str(store.folder), "results", "get", key, *flags]
    return subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout


# --- An import of an export equals the original ---

original = Store(folder / "original")
values = {
    "exact": b'{"a": 1.50, "b":\t[1, {"c": "}]\\"\\\\"}], "a": 2, "big": 123456789012345678901234567890}',
    "lines": b'{\n  "a": 1\n}\n',
    "before": b' {"a": 1}', "behind": b'{"a": 1} ',
    "scalar": b"-0.10e+2",
    "text": '"ümlaut, \\u00fc, \u2028"'.encode(),
}
blob = random.Random(SEED).randbytes(100_003)
largest = random.Random(SEED).randbytes(5_000_000)
put(original, [
    *(line(key, serializer="json", json_text=text.decode()) for key, text in values.items()),
    line("raw", base64=base64.b64encode(blob).decode(), experiment="search", seconds_left=5000),
    line("raw2", base64=base64.b64encode(blob[:-1]).decode(), experiment="search", seconds_left=7000.5),
    line("raw1", base64=base64.b64encode(blob[:-2]).decode(), cost_seconds=2.5),
    line("largest", base64=base64.b64encode(largest).decode()),
    line("nothing", base64=""),
    line("mine", serializer="my own", experiment_base64="/w=="),
    line("tensor", serializer="tensor", dtype="f32", shape=[2, 3], base64=base64.b64encode(bytes(24)).decode()),
    line("half", serializer="tensor", dtype="i4", shape=[3], base64=base64.b64encode(b"ab").decode()),
    line("scalar tensor", serializer="tensor", dtype="f64", shape=[], base64=base64.b64encode(bytes(8)).decode()),
    json.dumps({"key_base64": "/wAK", "serializer": "bytes", "base64": "eA=="}),
])
first = exported(original)
claim(len(first) == 16, f"16 results are exported as {len(first)}")
by_key = {row.get("key"): row for row in first}
claim(4900 < by_key["raw"]["seconds_left"] <= 5000, by_key["raw"]["seconds_left"])
claim(by_key["raw1"]["cost_seconds"] == 2.5, by_key["raw1"])
claim("json" in by_key["exact"] and "json_text" in by_key["lines"], "JSON is not exported as JSON")
for key, text in values.items():
    claim(value(original, key) == text, f"{key} is not what was imported")
original.run("results", "export", "--out", folder / "all.jsonl")
raw = (folder / "all.jsonl").read_bytes()
claim(b'"json":' + values["exact"] + b"}\n" in raw, "JSON is not exported byte for byte")

copy = Store(folder / "copy")
summary = copy.run("results", "import", folder / "all.jsonl").document()
claim(summary["results"] == 16, summary)
second = exported(copy)
for one, two in zip(first, second):
    left = [row.pop("seconds_left", None) for row in (one, two)]
    claim(one == two, f"{one.get('key')} is another in the copy")
    claim((left[0] is None) == (left[1] is None) and (left[0] is None or 0 <= left[0] - left[1] < 600),
          f"the time that is left of {one.get('key')} is {left}")
claim(len(first) == len(second), "the copy has other keys")
for key in [*values, "raw", "largest", "tensor", "nothing"]:
    claim(value(copy, key) == value(original, key), f"{key} is not the same in the copy")
claim(json.loads(copy.run("results", "info", "half").out)["shape"] == [3], "a tensor lost its shape")
claim([row["key"] for row in exported(copy, "raw?")] == ["raw1", "raw2"], "a pattern exports other keys")
copy.run("--yes", "results", "rm", "--experiment", "search")
claim(not exported(copy, "raw2") and exported(copy, "raw1"), "an experiment is lost by the copy")
claim(copy.run("results", "evict", "--budget", "200000").document()["evicted"] == 0, "what fits is evicted")
evicted = copy.run("results", "evict", "--budget", "100000").document()
claim(evicted["evicted"] == 1 and not exported(copy, "raw1"), f"what has a cost is not evicted: {evicted}")
claim(exported(copy, "largest"), "what has no cost is evicted")

# Namespaces: that of the line, unless another is given. Of one key twice, the later.
spaces = Store(folder / "spaces")
put(spaces, [line("k", namespace="n", json_text="1", serializer="json"), line("k"), "", "   ", line("k", base64="")])
claim(value(spaces, "k") == b"" and value(spaces, "k", "--namespace", "n") == b"1", "namespaces are mixed up")
put(spaces, [line("k", namespace="n")], "--namespace", "other")
claim([r["namespace"] for r in exported(spaces, "--namespace", "other")] == ["other"], "--namespace is not heeded")
claim(value(spaces, "k", "--namespace", "n") == b"1", "--namespace puts elsewhere too")
piped = subprocess.run([CAIRN, "--store", str(spaces.folder), "results", "import", "-"], input=line("piped").encode(),
                       stdout=subprocess.PIPE)
claim(piped.returncode == 0 and value(spaces, "piped") == b"x", "standard input is not imported")

# --- What is wrong is named, and nothing of its batch is put ---

wrong = {
    "no JSON": "{", "no object": "[1]", "two objects": line("a") + line("b"), "zero byte": line("a") + "\0",
    "no key": '{"serializer":"bytes","base64":""}', "an empty key": line(""), "a long key": line("k" * 2049),
    "a key twice": '{"key":"a","key":"b","serializer":"bytes","base64":""}', "a key as a number": line(7),
    "both keys": line("a", key_base64="eA=="), "no serializer": '{"key":"a","base64":""}',
    "no value": '{"key":"a","serializer":"bytes"}', "two values": line("a", base64="", json_text="1"),
    "bad base64": line("a", base64="e==="), "bits behind base64": line("a", base64="eB=="),
    "short base64": line("a", base64="eA="), "base64 with a line break": line("a", base64="eA==\n"),
    "JSON that is none": line("a", serializer="json", json_text="{a}"), "pickle": line("a", serializer="pickle"),
    "a dtype that is none": line("a", serializer="tensor", dtype="f31", shape=[1]),
    "no shape": line("a", serializer="tensor", dtype="f32"),
    "a shape below 0": line("a", serializer="tensor", dtype="f32", shape=[-1]),
    "a shape that overflows": line("a", serializer="tensor", dtype="u8", shape=[1 << 63, 1 << 63]),
    "another shape": line("a", serializer="tensor", dtype="f32", shape=[1], base64="AAAA"),
    "no time left": line("a", seconds_left=0), "time in words": line("a", seconds_left="1"),
    "too much time": line("a", seconds_left=1e10), "a newer form": line("a", schema_version=2),
    "no UTF-8": b'{"key":"\xff","serializer":"bytes","base64":""}', "a long namespace": line("a", namespace="n" * 256),
    "a long value": line("a", base64=base64.b64encode(bytes((64 << 20) + 1)).decode()),
    "a deep value": line("a", base64="") [:-1] + ', "x": ' + "[" * 100_000 + "}",
}
refused = Store(folder / "refused")
for what, text in wrong.items():
    message = put(refused, [line("before"), "", text, line("after")], expect=2).error().get("message", "")
    claim("lines.jsonl, line 3: " in message, f"{what}: the line is not named: {message}")
claim(not exported(refused), "lines of a bad batch are put")
LINES.write_bytes(b"x" * (129 << 20))
claim("line 1" in refused.run("results", "import", LINES, expect=2).error()["message"], "a long line is not named")
refused.run("results", "import", folder / "none", expect=1)
refused.run("results", "import", expect=2)

# Batches before the bad one stay, and the error says how many.
message = put(refused, [*(line(f"k{i:05}") for i in range(2500)), "x"], expect=2).error().get("message", "")
claim("line 2501" in message and "2,000 results" in message, f"what was imported is not told: {message}")
claim(len(exported(refused)) == 2000, "the batches before a bad one are not what is there")
claim(put(refused, [line(f"k{i:05}") for i in range(2500)]).document()["results"] == 2500, "not all are imported")
claim(len(exported(refused)) == 2500, "an import that is repeated does not end well")

# --- Random damage ---

damaged = Store(folder / "damaged")
chance = random.Random(SEED)
small = b"".join(one + b"\n" for one in raw.splitlines() if len(one) < 2000)
for turn in range(200 if LONG else 20):
    hurt = bytearray(small)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(hurt))
        if chance.random() < 0.3:
            del hurt[at:at + chance.randint(1, 200)]
        else:
            hurt[at] = chance.choice(b'\0\n"{}[],:\\\xff 0e')
    LINES.write_bytes(hurt)
    code = damaged.run("results", "import", LINES, expect=None).code
    claim(code in (0, 2), f"seed {SEED}, turn {turn}: damage ends in {code}")
damaged.run("check", "--read-data")
finish("what is exported is imported the same, and what is wrong is refused by its line")
