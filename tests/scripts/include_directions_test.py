#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The layers include each other in one direction only.

Reads every #include of the tree, compares it with the table below, and says which rule a
line breaks and why the rule is there. First it plants one violation of each rule in a
made-up tree and demands that each is found: a checker that finds nothing shows nothing.
"""

import os
import pathlib
import re
import sys
import tempfile

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)

# Which folders of the project a folder may include, besides itself and the public
# headers (cairn/...). The order is the order of the layers, the floor first.
FLOOR = set()
BASE = {"engine/base"}
STORED = BASE | {"engine/io", "engine/content", "engine/codec", "engine/format"}
ENGINE = STORED | {"engine/log", "engine/index"}
MAY_INCLUDE = {
    "api/include": FLOOR,
    "engine/base": FLOOR,
    "engine/io": BASE,
    "engine/content": BASE,
    "engine/codec": BASE,
    # A record is keyed by a digest: the format needs the digests of content, never the parsers' work.
    "engine/format": BASE | {"engine/content"},
    # Differences between tensors: arithmetic on bytes, which knows of no file.
    "engine/delta": BASE | {"engine/codec"},
    "engine/log": STORED,
    "engine/index": STORED,
    "engine/write": ENGINE,
    "engine/read": ENGINE,
    "engine/clone": ENGINE,
    # Values that a program hands over go the writer's way into the log.
    "engine/results": ENGINE | {"engine/read", "engine/write"},
    # Reclaiming moves live blocks, so it reads and writes as a put and a get do.
    "engine/reclaim": ENGINE | {"engine/read", "engine/write"},
    "replication": FLOOR,
    # Programs and bindings are users of the library like any other.
    "api/cli": FLOOR,
    "api/examples": FLOOR,
    "api/c": FLOOR,
    "api/python": FLOOR,
    "api/src": ENGINE | {"engine/read", "engine/write", "engine/clone", "engine/results", "engine/reclaim",
                         "engine/delta", "replication"},
}
WHY = {
    "layer": "a layer includes only those below it (docs/architecture.md), so that each can be "
             "understood, tested and replaced without those above it",
    "separate": "engine and replication never include each other: a mirror is a view of the log "
                "like any other, and only api/src knows both",
    "public": "an installed header includes the standard library and cairn/ only, because a user "
              "has nothing else of ours",
    "optional": "the library must not need what an optional header needs",
    "face": "a program or binding uses the installed headers only, or users could not write it",
    "rocksdb": "one source file includes RocksDB, so that the index can be replaced and its "
               "errors are translated in one place",
    "unknown": "a new folder needs a place in the order of the layers: add it to this table",
}
# Headers for users who have more than the standard library; nothing else includes them.
OPTIONAL = {"api/include/cairn/asio.h": "boost/asio/"}
SUFFIXES = {".h", ".cc"}


def layer_of(path):
    """The layer of a file of the project, from its path or from an #include of it."""
    if path.startswith("cairn/"):
        return "api/include"
    parts = path.split("/")
    if parts[0] == "replication":
        return "replication"
    if parts[0] in ("engine", "api") and len(parts) > 2:
        return "/".join(parts[:2])
    return None


def sources(root):
    for top in ("api", "engine", "replication"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def rule_broken(including, mark, target, beside):
    """The name of the rule that this #include breaks, or None."""
    layer = layer_of(including)
    if layer not in MAY_INCLUDE:
        return "unknown"
    is_ours = target.startswith(("cairn/", "engine/", "replication/", "api/")) or beside
    if layer == "api/include":
        if mark == "<" and including in OPTIONAL and target.startswith(OPTIONAL[including]):
            return None
        if "api/include/" + target in OPTIONAL:
            return "optional"
        is_standard = mark == "<" and re.fullmatch(r"[a-z0-9_]+", target)
        return None if is_standard or target.startswith("cairn/") else "public"
    if not is_ours:
        return None
    included = layer if beside else layer_of(target)
    if included in ("api/include", layer):
        return None
    if {layer.split("/")[0], (included or "").split("/")[0]} == {"engine", "replication"}:
        return "separate"
    if included in MAY_INCLUDE[layer]:
        return None
    return "face" if layer.startswith("api/") and layer != "api/src" else "layer"


def check(root):
    """Every violation in the tree, as (rule, sentence)."""
    found = []
    rocksdb = []
    seen = 0
    for path, text in sources(root):
        seen += 1
        for match in INCLUDE.finditer(text):
            mark, target = match.groups()
            line = text.count("\n", 0, match.start()) + 1
            beside = mark == '"' and (root / path).parent.joinpath(target).is_file()
            rule = rule_broken(path, mark, target, beside)
            if rule:
                found.append((rule, f"{path}:{line} includes {target}"))
            if target.startswith("rocksdb/") and path not in rocksdb:
                rocksdb.append(path)
    if len(rocksdb) > 1:
        found.append(("rocksdb", "RocksDB is included by " + ", ".join(rocksdb)))
    return found, seen


PLANTED = {
    "layer": {"engine/io/disk.cc": '#include "engine/log/log.h"\n'},
    "separate": {"replication/s3/push.cc": '#include "engine/log/log.h"\n'},
    "public": {"api/include/cairn/store.h": "#include <fmt/format.h>\n"},
    "optional": {"api/include/cairn/store.h": '#include "cairn/asio.h"\n'},
    "face": {"api/cli/main.cc": '  #  include "engine/base/bytes.h"\n'},
    "rocksdb": {"engine/index/a.cc": "#include <rocksdb/db.h>\n", "engine/read/b.cc": "#include <rocksdb/db.h>\n"},
    "unknown": {"engine/attic/old.cc": "#include <vector>\n"},
}
ALLOWED = {
    "engine/format/record.h": '#include "engine/content/digester.h"\n#include "cairn/digest.h"\n',
    "engine/reclaim/check.cc": '#include "engine/read/reader.h"\n#include <sys/stat.h>\n',
    "api/src/store.cc": '#include "engine/write/write_path.h"\n#include "replication/s3/push.h"\n',
    "api/examples/train.cc": '#include "cairn/store.h"\n#include "model.h"\n',
    "api/examples/model.h": "#include <cmath>\n",
    "api/include/cairn/asio.h": '#include <boost/asio/post.hpp>\n#include "cairn/store.h"\n',
}


def finds_what_is_planted():
    for rule, files in PLANTED.items():
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, text in {**ALLOWED, **files}.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text, encoding="utf-8")
            rules = [name for name, _ in check(root)[0]]
            if rules != [rule]:
                print(f"the planted violation of '{rule}' was reported as {rules}")
                return False
    return True


def main():
    root = pathlib.Path(os.environ.get("CAIRN_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[2])
    if not finds_what_is_planted():
        return 1
    found, seen = check(root)
    for rule, sentence in found:
        print(f"{sentence}\n    {WHY[rule]}")
    print(f"{seen} files read, {len(found)} includes against the order of the layers")
    return 1 if found or seen == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
