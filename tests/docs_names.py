#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every file, function, make target and link that the documents name exists; and the questions a
newcomer asks are answered two steps from the README."""
import glob
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = [p for p in sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md")) if p.name != "CHANGELOG.md"]
TOP = ("src", "include", "tools", "tests", "docs", "scripts", "examples", "firmware", "fuzz", "bench", "man")
CODE = (".c", ".h", ".def", ".S", ".py", ".sh")
bad = 0


def complain(doc, line, text):
    global bad
    bad += 1
    print(f"{doc.relative_to(ROOT)}:{line}: {text}")


words = set()
for top in TOP:
    for p in (ROOT / top).rglob("*"):
        if p.suffix in CODE and p.is_file():
            words |= set(re.findall(r"\w+", p.read_text(errors="replace")))
# Names that tables make: take, failed and give of each leaf.
leaves = {m.lower() for m in re.findall(r"^LEAF\(\w+, (\w+)", "".join((ROOT / "src/abi" / f).read_text() for f in
          ("seamcall.def", "tdcall.def")), re.M)}
words |= {f"{leaf}_{end}" for leaf in leaves for end in ("take", "failed", "give")}
targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
anchors = {p: {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in
               re.findall(r"^#+ (.*)$", p.read_text(), re.M)} for p in DOCS}


def check_code(doc, n, span):
    if "NAME" in span:
        return
    path = span.split(":")[0]
    if re.match(rf"(?:{'|'.join(TOP)})/[\w./*+-]*$", path) and "..." not in path:
        if not glob.glob(str(ROOT / path)):
            complain(doc, n, f"there is no {path}")
    for name in re.findall(r"\b([a-z_]\w{3,})\(\)", span):
        if name not in words:
            complain(doc, n, f"there is no {name}()")
    m = re.match(r"make ([a-z ]+)$", span)
    for target in m.group(1).split() if m else ():
        if target not in targets:
            complain(doc, n, f"there is no make target {target}")


def check_link(doc, n, link):
    if re.match(r"[a-z]+:", link):
        return
    name, _, anchor = link.partition("#")
    path = (doc.parent / name).resolve() if name else doc
    if not path.exists():
        complain(doc, n, f"the link leads nowhere: {link}")
    elif anchor and path in anchors and anchor not in anchors[path]:
        complain(doc, n, f"{name or doc.name} has no section #{anchor}")


for doc in DOCS:
    for n, line in enumerate(doc.read_text().splitlines(), 1):
        for span in re.findall(r"`([^`]+)`", line):
            check_code(doc, n, span)
        for link in re.findall(r"\]\(([^)\s]+)\)", line):
            check_link(doc, n, link)

QUESTIONS = ["lock order of PAMT", "add a leaf", "#VE injected", "BUSY retried", "add a verb", "new vector",
             "new module version", "run one test"]
page = ROOT / "CONTRIBUTING.md"
if "(CONTRIBUTING.md)" not in (ROOT / "README.md").read_text():
    complain(ROOT / "README.md", 1, "no link to CONTRIBUTING.md")
rows = [line for line in page.read_text().splitlines() if line.startswith("| ")]
for q in QUESTIONS:
    if not any(q in row.split("|")[1] and row.split("|")[2].strip() for row in rows):
        complain(page, 1, f"nobody says: {q}")
sys.exit(1 if bad else 0)
