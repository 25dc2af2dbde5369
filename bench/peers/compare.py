#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Archives one file with Cairn and with the tools one would otherwise use, and restores it.

Started by run.sh, which makes the input and checks that the tools are there. Every round
takes each tool once, on a fresh store, in an order that rotates; the figures are medians
over the rounds. What is held equal:

  add       the input is in the page cache, the store is new; the time ends when the file
            system under the store is synced (sync -f), whatever the tool did itself
  restore   the store's files are out of the page cache; once timed to the end of the
            command, and once to the end of the sync that follows it
  compared  every restored file, byte for byte

Standard library only.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
STREAMS = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}


class Tool:
    """How a tool is asked to init, add and restore; {store}, {input}, {out} are paths."""

    def __init__(self, name, init, add, restore, restore_in_out=False):
        self.name, self.init, self.add, self.restore = name, init, add, restore
        self.restore_in_out = restore_in_out


def tools(cairn):
    borg = {"init": ["borg", "init", "--encryption", "none", "{store}"],
            "restore": ["borg", "extract", "{store}::one"], "restore_in_out": True}
    return [
        Tool("cp", None, ["cp", "{input}", "{store}"], ["cp", "{store}/{name}", "{out}"]),
        Tool("cairn", [cairn, "init", "{store}"], [cairn, "--store", "{store}", "--quiet", "add", "{input}", "--as", "one"],
             [cairn, "--store", "{store}", "--quiet", "get", "one", "--to", "{out}"]),
        Tool("restic", ["restic", "-q", "-r", "{store}", "init", "--repository-version", "2"],
             ["restic", "-q", "-r", "{store}", "backup", "--compression", "auto", "{input}"],
             ["restic", "-q", "-r", "{store}", "restore", "latest", "--target", "{out}"]),
        Tool("borg lz4", add=["borg", "create", "--compression", "lz4", "{store}::one", "{input}"], **borg),
        Tool("borg zstd", add=["borg", "create", "--compression", "zstd", "{store}::one", "{input}"], **borg),
        Tool("casync", None, ["casync", "make", "--store={store}/default.castr", "{store}/one.caibx", "{input}"],
             ["casync", "extract", "--store={store}/default.castr", "{store}/one.caibx", "{out}/{name}"]),
    ]


def run(command, paths, work, cwd):
    """Runs to the end and returns (seconds, CPU seconds, peak bytes)."""
    environment = dict(os.environ, RESTIC_PASSWORD="peer", RESTIC_CACHE_DIR=str(work / "restic-cache"),
                       BORG_BASE_DIR=str(work / "borg-base"), BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes",
                       BORG_RELOCATED_REPO_ACCESS_IS_OK="yes")
    environment.pop("CAIRN_STORE", None)
    command = [part.format(**paths) for part in command]
    began = time.monotonic()
    child = subprocess.Popen(command, env=environment, cwd=cwd, **STREAMS)
    complaint = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - began
    if child.returncode != 0:
        sys.exit(f"{' '.join(command)}: status {child.returncode}: {complaint.decode(errors='replace')[-500:]}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def sync(path):
    began = time.monotonic()
    subprocess.run(["sync", "-f", str(path)], check=True)
    return time.monotonic() - began


def files_under(path):
    return [p for p in pathlib.Path(path).rglob("*") if p.is_file() and not p.is_symlink()]


def leave_page_cache(path):
    for file in files_under(path):
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def enter_page_cache(path):
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 22):
            pass


def one_round(tool, source, work):
    store, out = work / "store", work / "out"
    for folder in (store, out, work / "restic-cache", work / "borg-base"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    paths = {"store": str(store), "out": str(out), "input": str(source), "name": source.name}
    if tool.init:
        store.rmdir()
        run(tool.init, paths, work, work)
    enter_page_cache(source)
    sync(work)
    add, add_cpu, add_peak = run(tool.add, paths, work, work)
    add += sync(work)
    stored = sum(p.lstat().st_blocks * 512 for p in files_under(store))
    leave_page_cache(store)
    get, get_cpu, get_peak = run(tool.restore, paths, work, out if tool.restore_in_out else work)
    get_synced = get + sync(work)
    restored = [p for p in files_under(out) if p.name == source.name]
    if len(restored) != 1 or subprocess.run(["cmp", str(source), str(restored[0])]).returncode != 0:
        sys.exit(f"{tool.name} did not restore {source.name} as it was")
    for folder in (store, out):
        shutil.rmtree(folder, ignore_errors=True)
    return {"add": add, "get": get, "get_synced": get_synced, "stored": stored, "add_cpu": add_cpu, "get_cpu": get_cpu,
            "add_peak": add_peak, "get_peak": get_peak}


def ceiling(work, size):
    output = subprocess.run([str(SOURCE / "bench/disk_ceiling.sh"), "--json", str(work), str(size)], check=True,
                            stdout=subprocess.PIPE).stdout
    return json.loads(output)


def first_line(command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
                              cwd=SOURCE).stdout.decode().strip().splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def machine(work):
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                 platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    file_system = first_line(["stat", "-f", "-c", "%T", str(work)])
    changed = first_line(["git", "status", "--porcelain"]) != "unknown"
    return (f"{model}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, Linux {platform.release()}, "
            f"{file_system}, commit {first_line(['git', 'rev-parse', '--short', 'HEAD'])}{' with changes' if changed else ''}")


def table(names, rounds, size):
    rows = ["| tool | add GB/s, synced | restore GB/s | restore GB/s, synced | size / raw | add CPU-s | restore CPU-s "
            "| add peak MiB | restore peak MiB |", "|---|---|---|---|---|---|---|---|---|"]
    medians = {}
    for name in names:
        m = {key: statistics.median(r[key] for r in rounds[name]) for key in rounds[name][0]}
        medians[name] = m
        rows.append(f"| {name} | {size / m['add'] / 1e9:.2f} | {size / m['get'] / 1e9:.2f} "
                    f"| {size / m['get_synced'] / 1e9:.2f} | {m['stored'] / size:.3f} | {m['add_cpu']:.2f} "
                    f"| {m['get_cpu']:.2f} | {m['add_peak'] / 2**20:.0f} | {m['get_peak'] / 2**20:.0f} |")
    return rows, medians


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, type=pathlib.Path)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--cairn", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tools", help="only these, separated by commas")
    parser.add_argument("--json", type=pathlib.Path, help="keep every measurement here")
    options = parser.parse_args()
    wanted = [tool for tool in tools(options.cairn) if not options.tools or tool.name in options.tools.split(",")]
    source, size = options.input.resolve(), options.input.stat().st_size
    work = options.work.resolve()

    rounds, ceilings = {tool.name: [] for tool in wanted}, []
    for number in range(options.rounds):
        ceilings.append(ceiling(work, size))
        turn = number % len(wanted)
        for tool in wanted[turn:] + wanted[:turn]:
            print(f"round {number + 1} of {options.rounds}: {tool.name}", file=sys.stderr, flush=True)
            rounds[tool.name].append(one_round(tool, source, work))

    rows, medians = table([tool.name for tool in wanted], rounds, size)
    write = statistics.median(c["write_bw_bytes"] for c in ceilings) / 1e9
    read = statistics.median(c["read_bw_bytes"] for c in ceilings) / 1e9
    how = "O_DIRECT" if all(c["direct"] for c in ceilings) else "through the page cache"
    print(f"{machine(work)}\ninput {source.name}, {size / 1e9:.2f} GB; medians of {options.rounds} rounds\n")
    print("\n".join(rows))
    print(f"\nceiling (fio, sequential, {how}, same size, same run): write {write:.2f} GB/s, read {read:.2f} GB/s")
    if "cairn" in medians:
        mine = medians["cairn"]
        for name, m in medians.items():
            if name not in ("cairn", "cp"):
                print(f"cairn beside {name}: {m['add'] / mine['add']:.1f} x its add rate, "
                      f"{m['get'] / mine['get']:.1f} x its restore rate, "
                      f"{mine['stored'] / m['stored']:.2f} of its size")
    if options.json:
        options.json.write_text(json.dumps({"bytes": size, "ceilings": ceilings, "rounds": rounds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
