# SPDX-License-Identifier: Apache-2.0
"""What the scripts that drive the command `cairn` from outside share: a scratch folder, running
it, and counting the claims that do not hold.

CAIRN is the path of the command, CAIRN_SOURCE_DIR the source tree, CAIRN_BINARY_DIR the build.
"""
import atexit
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CAIRN = os.path.realpath(os.environ["CAIRN"])
SOURCE = Path(os.environ["CAIRN_SOURCE_DIR"])
BINARY = Path(os.environ["CAIRN_BINARY_DIR"])
LONG = os.environ.get("CAIRN_TEST_SCALE") == "long"
MIB = 1 << 20
GIB = 1 << 30

for name in ("CAIRN_STORE", "CAIRN_JSON", "CAIRN_QUIET", "CAIRN_NO_COLOR", "CAIRN_YES"):
    os.environ.pop(name, None)

_failures = []


def claim(holds, words):
    """Counts and prints what does not hold; the test goes on."""
    if not holds:
        _failures.append(words)
        print("FAILED:", words, flush=True)
    return bool(holds)


def finish(words):
    """Ends the test: with `words` when every claim held."""
    if _failures:
        print(f"{len(_failures)} claims do not hold")
        sys.exit(1)
    print(words)
    sys.exit(0)


def sanitized():
    """Whether the command was built with sanitizers, which cost memory."""
    cache = BINARY / "CMakeCache.txt"
    found = re.search(r"^CAIRN_SANITIZE:\w+=(.*)$", cache.read_text(), re.M) if cache.exists() else None
    return bool(found and found.group(1).strip())


def scratch(name):
    """A new folder on the disk of the build (which /tmp may not be), gone when the test ends."""
    above = BINARY / "scratch"
    above.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=name + "-", dir=above))

    def remove():
        for at, folders, _ in os.walk(folder):
            os.chmod(at, 0o700)
            for sub in folders:
                if not os.path.islink(os.path.join(at, sub)):
                    os.chmod(os.path.join(at, sub), 0o700)
        shutil.rmtree(folder)

    atexit.register(remove)
    return folder


class Run:
    """One finished run of the command, with --json."""

    def __init__(self, arguments, process, usage=None):
        self.arguments, self.code = arguments, process.returncode
        self.out, self.err, self.usage = process.stdout, process.stderr, usage

    def document(self):
        return json.loads(self.out)

    def summary(self):
        last = json.loads(self.out.splitlines()[-1])
        assert last["message_type"] == "summary", last
        return last

    def error(self):
        """The exit_error on stderr, or {} when there is none."""
        lines = self.err.splitlines()
        try:
            last = json.loads(lines[-1]) if lines else {}
        except ValueError:
            last = {}
        return last if last.get("message_type") == "exit_error" else {}


class Store:
    def __init__(self, folder, *init):
        self.folder = Path(folder)
        if not (self.folder / "STORE").exists():
            self.run("init", self.folder, *init, store=False)

    def run(self, *arguments, expect=0, store=True):
        """Runs `cairn --json [--store FOLDER] arguments`; its exit code is a claim, unless None."""
        words = [CAIRN, "--json", *(["--store", str(self.folder)] if store else []), *map(str, arguments)]
        done = Run(arguments, subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        if expect is None:
            return done
        shown = " ".join(map(str, arguments))
        claim(done.code == expect,
              f"'cairn {shown}' ended with {done.code}, not {expect}: {done.err[-400:].decode(errors='replace')}")
        if expect != 0:
            claim(done.error().get("code") == expect and done.error().get("message"),
                  f"'cairn {shown}' does not end in an exit_error of code {expect}: {done.err[-300:]!r}")
        return done


def differences(left, right):
    """How two trees differ: contents, kinds, modes, times to the nanosecond, link targets."""
    found = []

    def look(a, b):
        one, two = os.lstat(a), os.lstat(b)
        if one.st_mode != two.st_mode:
            return found.append(f"{b}: mode {two.st_mode:o}, not {one.st_mode:o}")
        if one.st_mtime_ns != two.st_mtime_ns:
            found.append(f"{b}: time {two.st_mtime_ns}, not {one.st_mtime_ns}")
        if os.path.islink(a):
            if os.readlink(a) != os.readlink(b):
                found.append(f"{b}: leads to {os.readlink(b)}")
        elif os.path.isdir(a):
            here, there = sorted(os.listdir(a)), sorted(os.listdir(b))
            if here != there:
                return found.append(f"{b}: holds {set(here) ^ set(there)} that the other does not")
            for name in here:
                look(os.path.join(a, name), os.path.join(b, name))
        elif not same_content(a, b):
            found.append(f"{b}: other content")

    look(os.fspath(left), os.fspath(right))
    return found


def same_content(left, right):
    return subprocess.run(["cmp", "--quiet", left, right]).returncode == 0
