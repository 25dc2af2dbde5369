#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pushes a model to Ceph's gateway on loopback and pulls it again, beside tools that move the same files.

Started by run.sh, which makes the input and checks that the tools are there. Every round takes each tool once, in an
order that rotates, each with a server of its own that was just started and keeps everything in memory; the figures are
medians over the rounds. What is held equal:

  push      the files, and Cairn's store that has them, are in the page cache as far as their readers use it; the time
            is that of the command
  pull      into an empty folder, and of Cairn into an empty store; once to the end of the command, and once to the end
            of the `sync -f` that follows it
  compared  every file that came back, byte for byte

Client and server share the machine's cores, so that a rate is one of both together: the CPU seconds of each are told
apart. The ceilings are our own client's requests with nothing before or behind them (ceiling.cc).
Standard library only.
"""

import argparse
import filecmp
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
SERVER = SOURCE / "tests/servers/radosgw.sh"
TICKS = os.sysconf("SC_CLK_TCK")
PARALLEL = (2, 4, 8)


def environment(work):
    """Without what this machine may have set for S3 or certificates; with a configuration of rclone's own."""
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith(("AWS_", "SSL_CERT_", "RCLONE_", "CURL_CA_", "REQUESTS_CA_")) and
             not name.lower().endswith("_proxy")}
    return {**clean, "AWS_ACCESS_KEY_ID": "TESTKEY", "AWS_SECRET_ACCESS_KEY": "TESTSECRET", "HOME": str(work)}


class Server:
    """A gateway whose memory holds what one tool puts."""

    def __init__(self, work, bytes_max):
        self.folder = work / "server"
        started = subprocess.run([SERVER, "start", self.folder], check=True, text=True, stdout=subprocess.PIPE,
                                 env={**os.environ, "MEMORY": str(bytes_max)}, timeout=120)
        self.endpoint = started.stdout.strip().splitlines()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run([SERVER, "stop", self.folder], check=True, timeout=120)

    def cpu_seconds(self):
        seconds = 0.0
        for pid in (self.folder / "pids").read_text().split():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            seconds += (int(fields[11]) + int(fields[12])) / TICKS
        return seconds


def run(command, work, server=None):
    """Runs to the end: seconds, CPU seconds of the client and of the server, peak bytes, and what it printed."""
    before = server.cpu_seconds() if server else 0.0
    began = time.monotonic()
    with open(work / "output", "w+b") as output:
        child = subprocess.Popen([str(part) for part in command], env=environment(work), cwd=work, stdout=output,
                                 stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode(errors="replace")
    if child.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: status {child.returncode}: {said[-800:]}")
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss * 1024,
            "server_cpu": server.cpu_seconds() - before if server else 0.0, "said": said}


def enter_page_cache(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb", buffering=0) as file:
                while file.read(1 << 22):
                    pass


def synced(work, seconds):
    began = time.monotonic()
    subprocess.run(["sync", "-f", str(work)], check=True)
    return seconds + time.monotonic() - began


class Tool:
    """How one tool pushes and pulls: `commands(endpoint)` are what prepares, pushes and pulls."""

    def __init__(self, name, commands):
        self.name, self.commands = name, commands


def tools(options):
    work, model = options.work, options.model
    host = lambda endpoint: endpoint.removeprefix("http://")
    rclone = lambda endpoint: ["rclone", "--config", "/dev/null", "--s3-provider", "Ceph", "--s3-env-auth",
                               "--s3-endpoint", endpoint, "--s3-chunk-size", "32Mi", "--s3-upload-concurrency", "4"]
    s3cmd = lambda endpoint: ["s3cmd", "--config", "/dev/null", "--access_key", "TESTKEY", "--secret_key", "TESTSECRET",
                              "--host", host(endpoint), "--host-bucket", "", "--no-ssl", "--no-progress"]
    boto3 = ["/usr/bin/python3", SOURCE / "bench/wire/boto3_transfer.py"]
    cairn, store, pulled = [options.cairn, "--quiet"], work / "store", work / "pulled"
    return [
        Tool("cairn", lambda endpoint: (
            [[*cairn, "--store", store, "mirror", "add", "bench", "s3://bench/mirror", "--endpoint", endpoint]],
            [*cairn, "--store", store, "--json", "mirror", "push", "bench"],
            [[*cairn, "init", pulled],
             [*cairn, "--store", pulled, "mirror", "add", "bench", "s3://bench/mirror", "--endpoint", endpoint]],
            [*cairn, "--store", pulled, "--json", "mirror", "pull", "bench", "model"])),
        Tool("rclone", lambda endpoint: (
            [], [*rclone(endpoint), "copy", model, ":s3:bench/model"],
            [], [*rclone(endpoint), "copy", ":s3:bench/model", work / "out"])),
        Tool("s3cmd", lambda endpoint: (
            [[*s3cmd(endpoint), "mb", "s3://bench"]],
            [*s3cmd(endpoint), "put", "--recursive", f"{model}/", "s3://bench/model/"],
            [["mkdir", work / "out"]],
            [*s3cmd(endpoint), "get", "--recursive", "s3://bench/model/", f"{work}/out/"])),
        Tool("boto3", lambda endpoint: (
            [], [*boto3, "put", endpoint, "bench", model],
            [], [*boto3, "get", endpoint, "bench", work / "out"])),
    ]


def one_round(tool, options):
    work = options.work
    for folder in (work / "out", work / "pulled"):
        shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([options.cairn, "--quiet", "--store", work / "store", "mirror", "rm", "bench"],
                   stderr=subprocess.DEVNULL, check=False)
    enter_page_cache(options.model)
    with Server(work, 3 * options.bytes) as server:
        before_push, push, before_pull, pull = tool.commands(server.endpoint)
        for command in before_push:
            run(command, work)
        pushed = run(push, work, server)
        for command in before_pull:
            run(command, work)
        synced(work, 0)
        pulled = run(pull, work, server)
        pulled["synced"] = synced(work, pulled["seconds"])
    if tool.name == "cairn":
        report = json.loads(pushed["said"])
        pushed["sent_ratio"] = report["sent_bytes"] / report["content_bytes"]
        run([options.cairn, "--quiet", "--store", work / "pulled", "get", "model", "--to", work / "out"], work)
    wanted = sorted(path.name for path in options.model.iterdir())
    came = next(path.parent for path in sorted((work / "out").rglob(wanted[0])))
    _, different, missing = filecmp.cmpfiles(options.model, came, wanted, shallow=False)
    if different or missing:
        sys.exit(f"{tool.name} did not bring {different + missing} back as they were")
    return {"push": pushed, "pull": pulled}


def ceilings(options):
    """The best of some numbers of requests at a time, put and read."""
    best = {}
    for signed in ("signed", "unsigned"):
        with Server(options.work, (len(PARALLEL) + 1) * options.bytes * 5 // 4) as server:
            for parallel in PARALLEL:
                for verb in ("put", "get"):
                    done = run([options.ceiling, verb, server.endpoint, f"bench-{parallel}", options.bytes, parallel,
                                signed], options.work, server)
                    measured = {**json.loads(done["said"]), "server_cpu": done["server_cpu"], "parallel": parallel}
                    measured["rate"] = measured["bytes"] / measured["seconds"]
                    key = f"{verb} {signed}"
                    if key not in best or measured["rate"] > best[key]["rate"]:
                        best[key] = measured
    return best


def first_line(command):
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True,
                              cwd=SOURCE).stdout.decode().strip().splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                 platform.machine())
    return (f"{model}, {len(os.sched_getaffinity(0))} cores, Linux {platform.release()}, commit "
            f"{first_line(['git', 'rev-parse', '--short', 'HEAD'])}; {first_line(['radosgw', '--version'])}; "
            f"{first_line(['rclone', '--version'])}; {first_line(['s3cmd', '--version'])}")


def report(names, rounds, measured, size):
    median = lambda name, verb, what: statistics.median(one[verb][what] for one in rounds[name])
    print("| tool | push MB/s | client CPU-s | server CPU-s | peak MiB | pull MB/s | pull MB/s, synced | client CPU-s "
          "| server CPU-s | peak MiB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in names:
        push = {what: median(name, "push", what) for what in ("seconds", "cpu", "server_cpu", "peak")}
        pull = {what: median(name, "pull", what) for what in ("seconds", "synced", "cpu", "server_cpu", "peak")}
        print(f"| {name} | {size / push['seconds'] / 1e6:.0f} | {push['cpu']:.2f} | {push['server_cpu']:.2f} "
              f"| {push['peak'] / 2**20:.0f} | {size / pull['seconds'] / 1e6:.0f} | {size / pull['synced'] / 1e6:.0f} "
              f"| {pull['cpu']:.2f} | {pull['server_cpu']:.2f} | {pull['peak'] / 2**20:.0f} |")
    print()
    for key in sorted(measured[0]):
        best = sorted((one[key] for one in measured), key=lambda one: one["rate"])[len(measured) // 2]
        print(f"ceiling, {key}: {best['rate'] / 1e6:.0f} MB/s with {best['parallel']} at a time; CPU-s: client "
              f"{best['cpu']:.2f}, server {best['server_cpu']:.2f}")
    if "cairn" not in names:
        return
    for verb in ("push", "pull"):
        mine = median("cairn", verb, "seconds")
        others = [name for name in names if name != "cairn"]
        ceiling = statistics.median(one[f"{'put' if verb == 'push' else 'get'} signed"]["rate"] for one in measured)
        words = f"{verb}: {size / mine / ceiling:.2f} of the ceiling"
        if others:
            best = min(others, key=lambda name: median(name, verb, "seconds"))
            words += f", {median(best, verb, 'seconds') / mine:.2f} x the rate of {best}"
        print(words)
    print(f"bytes sent / new stored bytes: {statistics.median(one['push']['sent_ratio'] for one in rounds['cairn']):.5f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=pathlib.Path, help="a folder of files")
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--cairn", required=True)
    parser.add_argument("--ceiling", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tools", help="only these, separated by commas")
    parser.add_argument("--json", type=pathlib.Path, help="keep every measurement here")
    options = parser.parse_args()
    options.work, options.model = options.work.resolve(), options.model.resolve()
    options.bytes = sum(path.stat().st_size for path in options.model.iterdir())
    wanted = [tool for tool in tools(options) if not options.tools or tool.name in options.tools.split(",")]
    shutil.rmtree(options.work / "store", ignore_errors=True)
    run([options.cairn, "--quiet", "init", options.work / "store"], options.work)
    run([options.cairn, "--quiet", "--store", options.work / "store", "add", options.model, "--as", "model"], options.work)
    synced(options.work, 0)

    rounds, measured = {tool.name: [] for tool in wanted}, []
    for number in range(options.rounds):
        measured.append(ceilings(options))
        turn = number % len(wanted)
        for tool in wanted[turn:] + wanted[:turn]:
            print(f"round {number + 1} of {options.rounds}: {tool.name}", file=sys.stderr, flush=True)
            rounds[tool.name].append(one_round(tool, options))
    print(f"{machine()}\n{options.bytes / 1e6:.0f} MB; medians of {options.rounds} rounds\n")
    report([tool.name for tool in wanted], rounds, measured, options.bytes)
    if options.json:
        options.json.write_text(json.dumps({"bytes": options.bytes, "ceilings": measured, "rounds": rounds}, indent=1))


if __name__ == "__main__":
    main()
