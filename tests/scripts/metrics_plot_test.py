#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cairn metrics plot` hides nothing of a series: a single peak among a hundred thousand points is drawn to its full
height, where there are NaNs there is a gap, and what a name holds cannot leave the text of an SVG.
"""
import re
import subprocess
import xml.etree.ElementTree as xml

from cairn_command import CAIRN, Store, claim, finish, scratch

STEPS = 100_000
NAME = '<script>&"\'\x01ü</script>'
folder = scratch("plot")
store = Store(folder / "store")
with open(folder / "run.csv", "w") as out:
    out.write(f'step,peak,dip,gap,flat,infinite,large,once,nothing,words,"{NAME.replace(chr(34), chr(34) * 2)}"\n')
    for i in range(STEPS):
        gap = "nan" if 40_000 <= i < 60_000 else 1
        large = 1.7e308 if i % 2 else -1.7e308
        out.write(f"{i},{1000 if i == 70_001 else 1},{-1000 if i == 30_001 else 1},{gap},3,"
                  f"{'inf' if i == 5 else i},{large},{7 if i == 9 else ''},nan,word,{i % 7}\n")
store.run("metrics", "import", "run", "--file", folder / "run.csv")


def sketch(series, *flags, width=60, height=12):
    """The rows of dots, from the top, as columns of 0 and 1; and the text."""
    words = [CAIRN, "--store", str(store.folder), "metrics", "plot", "run", series, "--width", str(width), "--height",
             str(height), *flags]
    text = subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout.decode()
    lines = [line.split("┤")[1] for line in text.splitlines() if "┤" in line]
    rows = []
    for line in lines:
        cells = [ord(c) - 0x2800 for c in line]
        claim(len(cells) == width - 13 and all(0 <= c < 256 for c in cells), f"a row of {len(cells)} characters")
        for left, right in ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80)):
            rows.append([bool(c & bit) for c in cells for bit in (left, right)])
    return rows, text


def column(rows, at):
    return [row[at] for row in rows]


# --- On a terminal ---

rows, text = sketch("peak")
claim(len(rows) == 9 * 4 and "1000 ┤" in text and "  1 ┤" in text and "99999" in text, f"axes are wrong: {text}")
full = [at for at in range(94) if all(column(rows, at))]
claim(full and all(64 <= at <= 66 for at in full), f"the peak at 70,001 is drawn at {full} of 94")
claim(all(rows[-1]), "the line at 1 is not drawn everywhere")
rows, _ = sketch("dip")
full = [at for at in range(94) if all(column(rows, at))]
claim(full and all(27 <= at <= 29 for at in full), f"the dip at 30,001 is drawn at {full} of 94")
rows, text = sketch("gap")
empty = [at for at in range(94) if not any(column(rows, at))]
claim(empty and 37 <= empty[0] <= 39 and 54 <= empty[-1] <= 56 and len(empty) >= 16, f"the gap is {empty}")
claim(empty == list(range(empty[0], empty[-1] + 1)), "there are other gaps than that of the NaNs")
claim("20,000 of them NaN" in text, f"NaNs are not counted: {text}")
rows, _ = sketch("flat")
claim(sum(any(row) for row in rows) == 1 and 15 <= [any(row) for row in rows].index(True) <= 20,
      "a series of one value is not a line in the middle")
rows, text = sketch("infinite")
claim("99999 ┤" in text and all(column(rows, 0)), f"an infinity does not reach the edge: {text}")
rows, text = sketch("large")
claim(all(all(row) for row in rows), "values at the ends of the range of doubles are lost")
rows, text = sketch("once")
claim(sum(map(sum, rows)) == 1 and "1 point," in text, f"a single point is not one dot: {text}")
rows, text = sketch("nothing")
claim(not any(map(any, rows)) and "100,000 of them NaN" in text, "what is all NaN is drawn")
document = store.run("metrics", "plot", "run", "peak", "gap").document()
claim([d["series"] for d in document] == ["peak", "gap"] and max(b["max"] for b in document[0]["buckets"]) == 1000,
      "the JSON of a plot lacks the peak")

# --- As a picture ---

SVG = "{http://www.w3.org/2000/svg}"
out = folder / "all.svg"
names = ["peak", "gap", "infinite", "large", "once", "nothing", NAME]
store.run("metrics", "plot", "run", *names, "--out", out, "--width", 700, "--height", 420)
picture = xml.parse(out).getroot()
claim(picture.get("width") == "700" and picture.get("height") == "420", "the size is another")
claim(not picture.findall(".//" + SVG + "script"), "a name became an element")
groups = picture.findall(SVG + "g")
claim(len(groups) == 7, f"7 series are drawn in {len(groups)} groups")
told = [g.find(f"{SVG}text/{SVG}title").text for g in groups]
claim(told[:6] == names[:6] and told[6] == '<script>&"\'\\x01ü</script>', f"the legend says {told}")
bands = [[p.get("d") for p in g.findall(SVG + "path") if p.get("class") == "band"] for g in groups]
claim([len(b) for b in bands] == [1, 2, 1, 1, 1, 0, 1], f"bands per series: {[len(b) for b in bands]}")
numbers = [float(n) for n in re.findall(r"-?\d+\.\d+", " ".join(sum(bands, [])))]
claim(all(0 <= n <= 700 for n in numbers), "something is drawn outside of the picture")

store.run("metrics", "plot", "run", "peak", "--out", out)  # what was there is replaced
picture = xml.parse(out).getroot()
band = [p.get("d") for p in picture.iter(SVG + "path") if p.get("class") == "band"]
points = [tuple(map(float, p.split())) for p in re.findall(r"[\d.]+ [\d.]+", band[0])]
axis = [p.get("d") for p in picture.iter(SVG + "path") if p.get("d").count("H") and p.get("d").count("V")][0]
left, top, bottom, right = map(float, re.match(r"M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)", axis).groups())
highest = min(points, key=lambda p: p[1])
claim(abs(highest[1] - top) < 0.1, f"the peak is drawn at {highest[1]}, the top is at {top}")
claim(abs((highest[0] - left) / (right - left) - 0.70001) < 0.01, f"the peak is drawn at {highest[0]}")

# --- What cannot be drawn ---

store.run("metrics", "plot", "run", expect=2)
store.run("metrics", "plot", expect=2)
store.run("metrics", "plot", "run", "peak", "--width", 5, expect=2)
store.run("metrics", "plot", "run", "peak", "--height", 501, expect=2)
store.run("metrics", "plot", "run", *["peak"] * 33, expect=2)
store.run("metrics", "plot", "run", *["peak"] * 20, "--out", out, "--height", 120, expect=2)
store.run("metrics", "plot", "none", "peak", expect=12)
store.run("metrics", "plot", "run", "none", expect=12)
store.run("metrics", "plot", "run", "words", expect=12)
store.run("metrics", "plot", "run", "peak", "--out", folder / "none" / "a.svg", expect=1)
claim(sorted(p.name for p in folder.iterdir()) == ["all.svg", "run.csv", "store"], "files were left behind")
finish("a plot shows every peak, gap and edge of a series")
