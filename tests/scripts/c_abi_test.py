#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The interface in C is what programs were built against.

The library shows exactly the functions that cairn.h declares. Their types are those of api/c/cairn_c.abi: a shared
library of empty functions is made from the header alone, and abidiff (Debian: abigail-tools) compares the two.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(os.environ.get("CAIRN_SOURCE_DIR", Path(__file__).resolve().parents[2]))
HEADER, BASELINE = SOURCE / "api/c/cairn.h", SOURCE / "api/c/cairn_c.abi"
DECLARED = re.compile(r"CAIRN_API\s+(?:CAIRN_CHECKED\s+)?([^;{}]*?)\b(cairn_\w+)\((.*?)\);", re.DOTALL)


def run(*words):
    return subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def described(folder):
    """What abidw says of the header's functions, and their names."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
    functions = DECLARED.findall(text)
    stub = folder / "stub.c"
    stub.write_text('#include <stdlib.h>\n#include "cairn.h"\n' +
                    "".join(f"{result} {name}({arguments}) {{ abort(); }}\n" for result, name, arguments in functions))
    made = run("cc", "-std=c99", "-g", "-O0", "-w", "-shared", "-fPIC", f"-I{HEADER.parent}", "-Wl,-soname,libcairn_c.so.0",
               stub, "-o", folder / "libcairn_c.so.0")
    assert made.returncode == 0, made.stdout
    made = run("abidw", "--no-show-locs", "--no-comp-dir-path", "--no-corpus-path", "--out-file", folder / "now.abi",
               folder / "libcairn_c.so.0")
    assert made.returncode == 0, made.stdout
    return folder / "now.abi", {name for _, name, _ in functions}


def main():
    if shutil.which("abidiff") is None:
        print("SKIP: there is no abidiff here (Debian: abigail-tools)")
        return 77
    with tempfile.TemporaryDirectory() as scratch:
        now, declared = described(Path(scratch))
        if sys.argv[1:] == ["--update"]:
            text = re.sub(r" path='[^']*stub\.c'", " path='cairn.h'", now.read_text())
            BASELINE.write_text(re.sub(r" comp-dir-path='[^']*'", "", text))
            return 0
        library = Path(os.environ["CAIRN_BINARY_DIR"]) / "api/c/libcairn_c.so"
        shown = run("nm", "-D", "--defined-only", library)
        assert shown.returncode == 0, shown.stdout
        shown = {line.split()[2].split("@")[0] for line in shown.stdout.splitlines() if line.split()[1] != "A"}
        assert shown == declared, f"shown and not declared, or the reverse: {sorted(shown ^ declared)}"
        compared = run("abidiff", BASELINE, now)
        if compared.returncode == 0:
            print(f"{len(declared)} functions are what they were")
            return 0
        print(compared.stdout)
        print("what was added is noted with c_abi_test.py --update; what was changed or removed needs another SOVERSION")
        return 1


if __name__ == "__main__":
    sys.exit(main())
