#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every name that a program gets of the public headers and of the libraries begins as one of ours
does: functions, types, tags, enumerators, macros, symbols. Others are the program's own.
Usage: public_names.py SOURCE LIBRARY... (the .so and .a that are installed)"""
import pathlib
import re
import subprocess
import sys
import tempfile

# ABI: the leaves have their own names, in either case, and so has one status.
OURS = re.compile(r"(?:tdx|swtdx|tdg|tdh|tdvmcall|TDX|SWTDX|TDG|TDH|TDVMCALL|SEAMLDR)_\w+|TD_VMCS_FIELD_ERROR")
WORDS = {"struct", "union", "enum", "typedef", "static", "inline", "extern", "const", "volatile", "void", "bool", "_Bool",
         "char", "short", "int", "long", "unsigned", "signed", "__extension__", "__inline", "_Noreturn"}


def preprocessed(headers, root):
    """What the headers themselves say, macros expanded; and their macros' names."""
    source = "".join(f"#include <swtdx/{h.name}>\n" for h in headers)
    run = lambda *o: subprocess.run(["cc", "-E", "-std=c17", *o, "-I", root, "-x", "c", "-"], input=source, text=True,
                                    check=True, stdout=subprocess.PIPE).stdout
    text, inside, macros = [], False, set()
    for line in run().splitlines():
        if m := re.match(r'# \d+ "(.*?)"', line):
            inside = "/swtdx/" in m.group(1)
        elif inside and not line.startswith("#"):
            text.append(line)
    inside = False
    for line in run("-dD").splitlines():
        if m := re.match(r'# \d+ "(.*?)"', line):
            inside = "/swtdx/" in m.group(1)
        elif inside and (m := re.match(r"#define (\w+)", line)):
            macros.add(m.group(1))
    return "\n".join(text), macros


def declared(text):
    """The names at file scope: tags and enumerators wherever they stand (C has them there), functions, objects, types."""
    text = re.sub(r'__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)', " ", text)
    text = re.sub(r'_Static_assert\s*\(.*?"[^"]*"\s*\)\s*;', " ", text, flags=re.S)
    text = re.sub(r'extern\s+"C"\s*\{', " ", text)
    tokens = re.findall(r'"(?:[^"\\]|\\.)*"|\w+|[^\s\w]', text)
    names, opened, last, was_enum = set(), [], [], False
    for i, t in enumerate(tokens):
        before = tokens[i - 1] if i else ""
        if before in ("struct", "union", "enum") and re.match(r"[A-Za-z_]\w*$", t):
            names.add(t)
        if t in "({[":
            kind = t
            if t == "{" and ("enum" in tokens[max(0, i - 2):i]):
                kind = "enum"
            if t == "(" and not opened and re.match(r"[A-Za-z_]\w*$", before) and before not in WORDS:
                names.add(before)
            if t == "(" and not opened and before != ")" and tokens[i + 1] == "*":
                names.add(tokens[i + 2])
            opened.append(kind)
        elif t in ")}]":
            opened.pop()
        elif opened and opened[-1] == "enum":
            if before in ("{", ",") and re.match(r"[A-Za-z_]\w*$", t):
                names.add(t)
        elif not opened and t in (";", "=", ","):
            if re.match(r"[A-Za-z_]\w*$", before) and before not in WORDS:
                names.add(before)
    assert not opened
    return names


def header_names(root):
    headers = sorted((pathlib.Path(root) / "swtdx").glob("*.h"))
    text, macros = preprocessed(headers, root)
    return declared(text) | macros


def symbols(library):
    dynamic = ["-D"] if library.suffix != ".a" else []
    out = subprocess.run(["nm", "-g", "--defined-only", *dynamic, library], text=True, check=True, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL).stdout
    return {line.split()[2].split("@")[0] for line in out.splitlines() if len(line.split()) == 3}


def strangers(names):
    return sorted(n for n in names if not OURS.fullmatch(n))


def sees_what_it_must():
    """It finds each kind of name, or it would pass anything."""
    with tempfile.TemporaryDirectory() as tmp:
        d = pathlib.Path(tmp) / "swtdx"
        d.mkdir()
        (d / "a.h").write_text("""
#define MACRO 1
#define CALL(x) (x)
struct opaque;
struct tag { int member; struct inner { int b[MACRO]; } in; enum { HERE = 1 } e; int (*op)(int arg); };
enum kind { FIRST, SECOND = CALL(2), };
typedef struct { int v; } type_t;
typedef void fn_t(struct later *x);
int function(int arg, const char *(*call)(void)) __attribute__((warn_unused_result));
static inline type_t made(int v) { type_t t = {v}; return t; }
extern const int object;
""")
        got = strangers(header_names(tmp))
    want = sorted("MACRO CALL opaque tag inner HERE kind FIRST SECOND type_t fn_t later function made object".split())
    missing = set(want) - set(got)
    wrong = {"member", "arg", "in", "op", "call", "v", "b", "e"} & set(got)
    if missing or wrong:
        sys.exit(f"the search itself: misses {missing}, takes {wrong} for names")


source, libraries = pathlib.Path(sys.argv[1]), [pathlib.Path(a) for a in sys.argv[2:]]
sees_what_it_must()
bad = 0
names = header_names(source / "include")
if len(names) < 1200:
    sys.exit(f"only {len(names)} names in the headers")
for where, found in [("the headers", names)] + [(lib.name, symbols(lib)) for lib in libraries]:
    if not found:
        sys.exit(f"{where}: no names")
    if strange := strangers(found):
        print(f"{where}: not ours: {' '.join(strange)}")
        bad = 1
sys.exit(bad)
