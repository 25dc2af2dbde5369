#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cairn metrics watch` prints each row of a run once, in the order in which they were logged, while another process
logs them; also over that process's end, its being killed, and others that go on with the run.
"""
import json
import queue
import signal
import subprocess
import threading

from cairn_command import CAIRN, Store, claim, finish, scratch

PATIENCE_S = 300
folder = scratch("watch")
store = Store(folder / "store")


class Watch:
    """A running `metrics watch`, whose lines are gathered as they come."""

    def __init__(self, *arguments, as_json=True):
        words = [CAIRN, *(["--json"] if as_json else []), "--store", str(store.folder), "metrics", "watch",
                 *map(str, arguments), "--interval", "0.05"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines, self.coming = [], queue.Queue()
        threading.Thread(target=self.gather, daemon=True).start()

    def gather(self):
        for line in self.process.stdout:
            self.coming.put(line)
        self.coming.put(None)

    def next(self):
        line = self.coming.get(timeout=PATIENCE_S)
        if line is not None:
            self.lines.append(line)
        return line

    def wait(self, count):
        """Until so many lines have come since it began."""
        while len(self.lines) < count and self.next() is not None:
            pass

    def rows(self, count):
        self.wait(count)
        return [json.loads(line) for line in self.lines]

    def end(self, number):
        """Sends a signal, and answers the exit code and what was said on stderr."""
        self.process.send_signal(number)
        while self.next() is not None:
            pass
        said = self.process.stderr.read()
        return self.process.wait(timeout=PATIENCE_S), said


def csv(name, first, count):
    path = folder / name
    path.write_text("step,loss,words\n" + "".join(f"{i},{'nan' if i % 7 == 3 else i / 8},{'' if i % 2 else 'w'}\n"
                                                  for i in range(first, first + count)))
    return path


def importing(path, run="run"):
    return subprocess.Popen([CAIRN, "--quiet", "--store", str(store.folder), "metrics", "import", run, "--file", path])


# A run that has not begun yet is waited for; what is there of another is nothing to it.
watch, texts, losses = Watch("run"), Watch("run", as_json=False), Watch("run", "loss")
only_words = Watch("run", "words", "none")
store.run("metrics", "import", "other", "--file", csv("other.csv", 0, 10))
claim(importing(csv("a.csv", 0, 250)).wait() == 0, "the first import failed")
rows = watch.rows(250)
claim([row["step"] for row in rows] == list(range(250)), f"250 rows are {len(rows)}")
claim(rows[0]["values"] == {"loss": 0, "words": "w"} and rows[3]["values"] == {"loss": "NaN"} and
      rows[1]["values"] == {"loss": 0.125}, f"rows are wrong: {rows[:4]}")
claim(rows[0]["message_type"] == "row" and rows[0]["run"] == "run" and rows[0]["time"].endswith("Z"), rows[0])

# Rows come while the process that logs them runs. A machine that is too quick to tell is given more of them.
logged, count = 250, 50_000
while True:
    importer = importing(csv("b.csv", logged, count))
    watch.rows(logged + 1)
    is_live = importer.poll() is None
    claim(importer.wait() == 0, "an import beside a watch failed")
    logged += count
    watch.rows(logged)
    if is_live or count > 3_000_000:
        break
    count *= 4
claim(is_live, "no row came before the process that logged them ended")

# One that is killed leaves a prefix, and the next goes on.
importer = importing(csv("c.csv", logged, count))
watch.rows(logged + 1)
importer.send_signal(signal.SIGKILL)
importer.wait()
claim(importing(csv("d.csv", 10_000_000, 5)).wait() == 0, "the import after a kill failed")
while json.loads(watch.lines[-1])["step"] != 10_000_004 and watch.next() is not None:
    pass
exported = [json.loads(line) for line in store.run("metrics", "export", "run", "--format", "jsonl").out.splitlines()]
seen = [json.loads(line) for line in watch.lines]
claim([row["step"] for row in seen] == [row["step"] for row in exported], f"{len(seen)} rows are seen, {len(exported)} there")
claim(all(row["values"].get("loss") == there["loss"] for row, there in zip(seen, exported)), "values differ")

# It ends when it is told to, as every verb does.
code, said = watch.end(signal.SIGINT)
claim(code == 130 and json.loads(said.splitlines()[-1])["code"] == 130, f"SIGINT ends in {code}: {said}")
texts.wait(len(exported))
code, said = texts.end(signal.SIGTERM)
claim(code == 130 and b"waiting" in said, f"SIGTERM ends in {code}: {said}")
claim(len(texts.lines) == len(exported) and b" step 1  loss=0.125\n" in texts.lines[1], f"text is {texts.lines[:3]}")
losses.wait(len(exported))
losses.end(signal.SIGINT)
claim(len(losses.lines) == len(exported) and b"words" not in b"".join(losses.lines), "a series is not alone")
only_words.wait(sum("words" in row for row in exported))
only_words.end(signal.SIGINT)
claim(len(only_words.lines) == sum("words" in row for row in exported), "rows without the series are shown")

# Or when nothing new came for long enough.
lines = store.run("metrics", "watch", "run", "--idle", 0).out.splitlines()
claim(len(lines) == len(exported) + 1 and json.loads(lines[-1])["rows"] == len(exported), "what is there is not all")
store.run("metrics", "watch", "run", "--idle", 1, "--interval", "0.1")
store.run("metrics", "watch", "none", "--idle", 0, expect=12)
store.run("metrics", "watch", expect=2)
for wrong in ("0", "-1", "x", "1s", "nan", "3601"):
    store.run("metrics", "watch", "run", "--interval=" + wrong, expect=2)
store.run("check", "--read-data")
finish("a watch prints each row once, as it is logged")
