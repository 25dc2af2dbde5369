#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `cairn experiments export` writes, `cairn experiments put` records the same evaluations of, once each; and a
line that is wrong is named by its number, with nothing of its batch recorded.
"""
import json

from cairn_command import Store, claim, finish, scratch

folder = scratch("experiments")
LINES = folder / "lines.jsonl"


def put(store, lines, expect=0):
    LINES.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines) + "\n")
    return store.run("experiments", "put", "search", "--file", LINES, expect=expect)


def exported(store):
    rows = [json.loads(one) for one in store.run("experiments", "export", "search").out.splitlines()]
    claim(all(row.pop("schema_version") == 1 and row.pop("recorded") for row in rows), "a line lacks fields")
    return sorted(rows, key=lambda row: row["hash"])


first = Store(folder / "first")
given = [
    {"architecture": {"width": 8, "a": [1, "}"]}, "fitness": 0.5, "metrics": {"latency": 1.5, "gap": "NaN"}},
    {"architecture": '{"width": 16}', "fitness": "-Infinity", "generation": 18446744073709551615, "worker": "w"},
    {"hash": "by hand", "fitness": "NaN", "duration_seconds": 0.1},
    {"hash": "and JSON", "architecture": '{"b": 1.50}', "metrics": {"x": "Infinity", "y": -0.0}},
    {"architecture": {"a": [1, "}"], "width": 8}, "fitness": 9},  # the first again, written otherwise
]
done = put(first, given).document()
claim((done["inserted"], done["known"]) == (4, 1), f"{done} is recorded of 4 evaluations and one twice")
rows = exported(first)
claim(len(rows) == 4 and rows[0]["architecture"] == '{"b": 1.50}', rows)
by_worker = next(row for row in rows if row["worker"] == "w")
claim(by_worker["generation"] == (1 << 64) - 1 and by_worker["fitness"] == "-Infinity", by_worker)
claim([r["fitness"] for r in rows if r["architecture"].startswith('{"a"')] == [0.5], "the later one replaced the first")

second = Store(folder / "second")
claim(put(second, rows).document()["inserted"] == 4 and exported(second) == rows, "an export is put as something else")
claim(put(second, rows).document() | {"seconds": 0} == {"schema_version": 1, "inserted": 0, "known": 4, "seconds": 0},
      "what is put again is recorded again")
many = [{"hash": f"h{i:04}", "fitness": i} for i in range(2500)]
claim(put(second, many).document()["inserted"] == 2500, "not all of several batches are recorded")
claim(len(exported(second)) == 2504, "not all of several pages are exported")
claim(second.run("experiments", "stats", "search").document()["count"] == 2504, "the statistics miss some")

refused = Store(folder / "refused")
good = {"hash": "good", "fitness": 1}
for what in ("{", "[]", {}, {"fitness": 1}, {"hash": 1}, {"hash": "a", "fitness": "1"}, {"hash": "a", "fitness": None},
             {"hash": "a", "generation": -1}, {"hash": "a", "generation": 1.5}, {"hash": "a", "metrics": []},
             {"hash": "a", "metrics": {"x": "much"}}, {"hash": "a", "worker": 7}, '{"hash":"a","hash":"b"}'):
    message = put(refused, [good, "", what, good], expect=2).error().get("message", "")
    claim("lines.jsonl, line 3: " in message, f"{what}: the line is not named: {message}")
# What only the store can say is told of the batch.
for what in ({"architecture": "{"}, {"hash": "h" * 257}, {"hash": "a\n"}, {"hash": "a", "worker": "w" * 513}):
    message = put(refused, [good, what], expect=2).error().get("message", "")
    claim("lines.jsonl, lines 1 to 2: " in message, f"{what}: the lines are not named: {message}")
claim(not exported(refused), "evaluations of a bad batch are recorded")
refused.run("experiments", "put", "search", "--file", folder / "none", expect=1)
refused.run("experiments", "put", expect=2)
refused.run("experiments", "export", "none", expect=12)
finish("what is exported is recorded the same, and what is wrong is refused by its line")
