#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The machine's date may be wrong by years, and change: no order, lease, TTL or reclaiming does.

Two stores get the same calls. In one every call has another date, decades before or after the one before; both
must answer alike but for the dates. Time that passes, which nobody can set, ends a TTL in both. Programs that hold
leases run while their date jumps to and fro. The dates are libfaketime's (in Debian the packages faketime and
libfaketime); where it is missing, this test says SKIP and shows nothing.
"""
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time

DATES = ["+30y", "-15y", "+0", "-25y", "+11y", "-40y", "+55y"]


def preloaded():
    """What LD_PRELOAD is for libfaketime, or nothing."""
    if shutil.which("faketime") is None:
        return ""
    said = subprocess.run(["faketime", "-f", "+1y", "sh", "-c", "echo $LD_PRELOAD"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    return said.stdout.strip() if said.returncode == 0 else ""


PRELOAD = preloaded()
if not PRELOAD:
    print("SKIP: there is no faketime here (Debian: packages faketime and libfaketime)")
    sys.exit(77)

from cairn_command import BINARY, Store, claim, finish, scratch  # noqa: E402

# Setting a machine's date moves neither CLOCK_MONOTONIC nor CLOCK_BOOTTIME, and no file's times.
FAKED = {"LD_PRELOAD": PRELOAD, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
# What tells of dates, and what depends on how long something took: time that passes is written to the log.
DATED = {"created", "time", "snapshot", "parent", "seconds", "seconds_left"}
TIMED = {"index_memory_bytes", "log_bytes", "disk_bytes", "freed_bytes", "moved_bytes"}


class Machine:
    """A store, and whether the date changes with each call."""

    def __init__(self, folder, dates):
        self.dates, self.calls, self.store = dates, 0, Store(folder)

    def run(self, *arguments, expect=0):
        date = self.dates[self.calls % len(self.dates)] if self.dates else None
        self.calls += 1
        faked = {**FAKED, "FAKETIME": date} if date else {}
        os.environ.update(faked)
        try:
            return self.store.run(*arguments, expect=expect)
        finally:
            for name in faked:
                del os.environ[name]


def undated(value):
    if isinstance(value, dict):
        return {key: undated(part) for key, part in value.items() if key not in DATED | TIMED}
    return [undated(part) for part in value] if isinstance(value, list) else value


def documents(run):
    return [json.loads(line) for line in run.out.splitlines()] if run.out[:1] in b"{[" else run.out


folder = scratch("clocks")
steady, wild = Machine(folder / "steady", []), Machine(folder / "wild", DATES)


def both(*arguments, expect=0):
    """The same call to both: they must agree. Returns what the wild one says."""
    one, two = (machine.run(*arguments, expect=expect) for machine in (steady, wild))
    said = documents(two)
    shown = " ".join(map(str, arguments))
    claim(undated(documents(one)) == undated(said), f"'{shown}' says {two.out[:600]}, and without dates {one.out[:600]}")
    return said


def write(name, content):
    path = folder / name
    path.write_bytes(content)
    return path


def content(version):
    return random.Random(version).randbytes(3_000_000)


# Versions of a name: the last to be added is the latest, whatever its date says.
for version in range(1, 6):
    both("add", write("weights", content(version)), "--as", "model")
log = both("log", "model")[0]
claim([entry["version"] for entry in log] == [5, 4, 3, 2, 1], f"the versions are listed as {log}")
claim(len({entry["created"][:4] for entry in log}) == 5, "the dates are not those that were to be")
both("ls")
for machine, name in ((steady, "steady"), (wild, "wild")):
    machine.run("get", "model", "--to", folder / name / "restored")
    restored = next(path for path in (folder / name / "restored").rglob("*") if path.is_file())
    claim(restored.read_bytes() == content(5), f"{name}: the latest version is another")

# Results: what was put last is there, and a TTL of a day ends with no date.
for i in range(7):
    both("results", "put", "ends/tomorrow", "--file", write("value", b"%d" % i), "--ttl", 86400)
    both("results", "put", f"stays/{i}", "--file", folder / "value", "--experiment", "search")
left = [86400]
for _ in DATES:
    info = both("results", "info", "ends/tomorrow")[0]
    left.append(info["seconds_left"])
    both("results", "list")
claim(left == sorted(left, reverse=True) and left[-1] > 80_000, f"a TTL of a day goes {left}")
claim(both("results", "get", "ends/tomorrow") == b"6", "what was put last is another")
both("results", "put", "ends/today", "--file", folder / "value", "--ttl", 1)
deadline = time.monotonic() + 120
while {machine.run("results", "get", "ends/today", expect=None).code for machine in (steady, wild)} != {12}:
    if not claim(time.monotonic() < deadline, "a TTL of a second does not end"):
        break

# Metrics: rows by step, and by the order in which they were logged.
for first in (0, 10, 20):
    rows = "".join(f"{step},{step * 0.5}\n" for step in range(first, first + 10))
    both("metrics", "import", "run", "--file", write("rows.csv", b"step,loss\n" + rows.encode()))
points = both("metrics", "get", "run", "loss")[0]
claim([point["step"] for point in points] == list(range(30)), "the points of a series are in another order")
claim(both("metrics", "list", "run")[0][0]["last"] == 14.5, "the row that was logged last is another")
both("experiments", "list")
both("ops", "list")

# Reclaiming: what was removed goes, what was not stays, and as much is given back.
both("--yes", "rm", "model@5")
both("--yes", "forget", "model", "--keep-last", 2)
both("--yes", "results", "rm", "stays/*", "--matching")
claim([entry["version"] for entry in both("log", "model")[0]] == [4, 3], "others than the oldest were forgotten")
freed = both("gc", "--max-dead", "0%")[-1]
claim(freed["freed_bytes"] > 9_000_000 and freed["dead_bytes"] == 0, f"what was removed is not given back: {freed}")
both("results", "list")
both("stats")
claim(both("check")[-1]["damaged"] == [], "something is damaged")
both("add", folder / "weights", "--as", "model")
both("log", "model")

# Leases: programs that hold them, and take them over, while their date jumps.
jumps = folder / "date"
jumps.write_text("+0")
done = threading.Event()


def jump():
    for date in itertools.cycle(DATES):
        if done.wait(0.002):
            return
        (folder / "next-date").write_text(date)
        os.replace(folder / "next-date", jumps)


jumping = threading.Thread(target=jump, daemon=True)
jumping.start()
environment = {**os.environ, **FAKED, "FAKETIME_TIMESTAMP_FILE": str(jumps), "FAKETIME_NO_CACHE": "1",
               "CAIRN_TEST_JUMPING_DATE": "1"}
for program, tests in (("test_store", "JumpingDateTest.*:OneKeyTest.*:ResultsTest.*:TablesTest.*"),
                       ("test_results", "OperationsTest.*:GetOrComputeTest.*:ResultTableTest.*")):
    words = [BINARY / "tests" / program, f"--gtest_filter={tests}", "--gtest_brief=1"]
    try:
        ran = subprocess.run(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
        claim(ran.returncode == 0, f"{program} under other dates: {ran.stdout[-2000:].decode(errors='replace')}")
        claim(b"\n[  PASSED  ] " in ran.stdout and b" 0 tests." not in ran.stdout, f"{program} has no {tests}")
    except subprocess.TimeoutExpired:
        claim(False, f"{program} hangs under other dates")
done.set()
jumping.join()
finish(f"{wild.calls} calls under {len(DATES)} dates, and nothing but the dates differs")
