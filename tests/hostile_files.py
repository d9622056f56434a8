#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Files that mean no good, to every verb that takes one: each is refused or read, in its time, below its
# memory, with few words and none of the terminal's control sequences.
# hostile_files.py SWTDX SOURCE GUEST
import os
import pathlib
import pty
import random
import re
import signal
import subprocess
import sys
import tempfile

# A file may have a gigabyte before it is too large.
LIMIT_S, PATIENCE_S, LIMIT_KB, LIMIT_BYTES = 60, 600, 5 << 18, 1 << 20
swtdx, source, guest = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
chance = random.Random(11)
checked, bad = 0, []
# C0 but those of text, DEL, C1 by itself and in UTF-8
CONTROL = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<![\xc2-\xf4\x80-\xbf])[\x80-\x9f]|\xc2[\x80-\x9f]")
USAGE = b"says more."


def run(what, command, passes=False):
    """It ends by itself, with a status of ours; one that passes on what it reads, when nobody reads that."""
    global checked
    checked += 1
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen([swtdx] + command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if passes else out, stderr=out)
        if passes:
            child.stdout.read(LIMIT_BYTES)
            child.stdout.close()
        signal.signal(signal.SIGALRM, lambda *_: child.kill())
        signal.alarm(PATIENCE_S)
        _, status, usage = os.wait4(child.pid, 0)
        signal.alarm(0)
        size = out.seek(0, os.SEEK_END)
        out.seek(0)
        said = out.read(LIMIT_BYTES)
    status = os.waitstatus_to_exitcode(status)
    wrong = []
    if usage.ru_utime + usage.ru_stime > LIMIT_S:
        wrong.append(f"{usage.ru_utime + usage.ru_stime:.0f} s of processor time")
    if status not in (0, 1, 2, 3) and not (passes and status == -signal.SIGPIPE):
        wrong.append(f"exit status {status}")
    if usage.ru_maxrss > LIMIT_KB and os.environ.get("SWTDX_TEST_BUILD") != "sanitized":
        wrong.append(f"{usage.ru_maxrss} KiB")
    if size > 2 * LIMIT_BYTES:
        wrong.append(f"{size} bytes of words")
    if (command[0] != "decode" or "--json" in command) and (found := CONTROL.search(said)):  # which passes on what it reads
        wrong.append(f"a control character: {found[0]}")
    if USAGE in said and not (what.startswith("--fault") and b"--fault" in said):
        wrong.append("it was not read: wrong usage")
    if wrong:
        bad.append(f"{' '.join(command)} ({what}): {'; '.join(wrong)}")
        print("hostile_files:", bad[-1], *said.decode(errors="replace").splitlines()[:8], sep="\n\t", flush=True)


def on_a_terminal(what, content):
    """What a log would do to the terminal that shows it is dropped, its colours are not."""
    global checked
    checked += 1
    file = folder / "shown"
    file.write_bytes(content)
    child, terminal = pty.fork()
    if child == 0:
        os.execv(swtdx, [swtdx, "decode", str(file)])
    said = b""
    try:
        while part := os.read(terminal, 4096):
            said += part
    except OSError:  # its end is closed
        pass
    os.waitpid(child, 0)
    if any(b in said for b in (b"\033]", b"\033P", b"\033[6n", b"\x9b", b"\007")) or b"\033[31mred" not in said:
        bad.append(f"decode on a terminal ({what})")
        print("hostile_files:", bad[-1], said[:200], flush=True)


def spoilt(sound):
    """Changes to a sound file: cut short, bits turned, words that are lengths made large."""
    for cut in (0, 1, len(sound) // 3, len(sound) - 1):
        yield f"cut at {cut}", sound[:cut]
    for i in range(4):
        b = bytearray(sound)
        for _ in range(1 << i):
            b[chance.randrange(len(b))] ^= 1 << chance.randrange(8)
        yield f"bits turned {i}", bytes(b)
    for i in range(4):
        b = bytearray(sound)
        at = chance.randrange(max(1, min(len(b), 4096) - 8))
        b[at:at + 8] = b"\xff" * chance.choice((4, 8))
        yield f"large word at {at}", bytes(b)


def of_any_kind():
    yield "empty", b""
    yield "zeros", bytes(65536)
    yield "ones", b"\xff" * 65536
    yield "chance", chance.randbytes(65536)
    yield "a line without end", b"a" * (1 << 20)
    yield "lists in lists", b"[" * 100000
    yield "objects in objects", b'{"a":' * 100000
    yield "escapes", b"\033]0;title\007\033[6n tdx: SEAMCALL 0xc000020200000000 \033Pq\033\\ \x9b6n\n" * 20


def faults():
    """Texts of --fault, near its grammar and far from it."""
    words = ["tdh_mng_create", "TDH.MEM.PAGE.AUG", "kernel", "=", ":", "@", ",", "*", "-", "1", "0", "18446744073709551616",
             "busy", "TDX_OPERAND_BUSY", "0x8000020000000092", "rnd", " ", "\t", "%n", "é", "\033[6n", "x" * 300]
    yield from ("", ",", "," * 5000, "a" * 100000, "\n")
    for _ in range(150):
        yield "".join(chance.choice(words) for _ in range(chance.randrange(1, 12)))


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    state = ["--state", str(folder / "state")]
    vector = (source / "tests/vectors/03-vp-flow.vec").read_bytes()
    scenario = next((source / "tests/scenarios").iterdir()).read_bytes()
    log = b"".join(p.read_bytes() for p in sorted((source / "tests/cases").rglob("*")) if p.is_file())[:65536]
    (folder / "vec").write_bytes(vector)
    subprocess.run([swtdx, "record", "-o", folder / "trace", folder / "vec"], check=True, stdout=subprocess.DEVNULL)
    trace = (folder / "trace").read_bytes()
    subprocess.run([swtdx, "quote", *state, "--root"], check=True, stdout=subprocess.DEVNULL)
    elf = pathlib.Path(guest).read_bytes()
    # a bzImage of another machine's instructions: its header is what is read
    bz = bytearray(65536)
    bz[0x1f1], bz[0x1fe:0x200], bz[0x202:0x206], bz[0x206:0x208] = 4, b"\x55\xaa", b"HdrS", b"\x0f\x02"
    pe = bytearray(65536)
    pe[:2], pe[0x3c], pe[0x80:0x84], pe[0x84:0x88] = b"MZ", 0x80, b"PE\0\0", b"\x64\x86\x06\0"
    pe[0x94:0x98], pe[0x98:0x9a] = b"\xf0\0\x22\0", b"\x0b\x02"
    tdvf = bytearray(65536)
    tdvf[-0x20:-0x20 + 4] = b"\x80\0\0\0"
    ovmf = next((p for p in map(pathlib.Path, ("/usr/share/ovmf/OVMF.fd", "/usr/share/OVMF/OVMF_CODE.fd")) if p.exists()), None)
    # a snapshot's first page, of which each length is looked at before the tag: fuzz_snapshot has whole ones
    snapshot = b"swtdxVM\n" + (5).to_bytes(4, "little") + (104).to_bytes(4, "little") + (8192).to_bytes(8, "little")
    snapshot += (8192).to_bytes(8, "little") + bytes(8192 - len(snapshot) - 8)
    (folder / "key").write_bytes(bytes(32))
    gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + b"\xff" * 4096
    short = ["--timeout", "20", "--memory", "128", "--quiet"]
    on_a_terminal("escapes", dict(of_any_kind())["escapes"] + b"\033[31mred\033[0m\n")
    on_a_terminal("a sequence without end", b"\033]0;" + b"x" * 200000 + b"\n\033[31mred\n")
    verbs = [
        (["replay", "--check"], [vector]), (["replay"], [trace]), (["replay", "--vectors"], [trace]), (["replay", "--json"], [trace]),
        (["record", "-o", str(folder / "recorded")], [vector]),
        (["explore", "--max-states", "50"], [scenario]),
        (["decode"], [log]), (["decode", "--json"], [log]), (["decode", "report"], [bytes(1024)]), (["decode", "params"], [bytes(1024)]),
        (["decode", "image"], [bytes(tdvf)]),
        (["doctor", "--dmesg"], [log]),
        (["eventlog"], [b"\0\0\0\0\x03\0\0\0" + bytes(20) + b"\x21\0\0\0Spec ID Event03" + bytes(64)]),
        (["eventlog", "--json"], [b"\0\0\0\0\x03\0\0\0" + bytes(20) + b"\x21\0\0\0Spec ID Event03" + bytes(64)]),
        (["report"] + state, [bytes([0x81]) + bytes(1023), b"\4\0\2\0\x81\0\0\0" + bytes(1000)]),
        (["report", "--no-verify"] + state, [b"\4\0\2\0\x81\0\0\0" + bytes(628) + b"\xff" * 400]),
        (["quote", "--output", str(folder / "quote")] + state, [bytes([0x81]) + bytes(1023)]),
        (["measure"], [bytes(tdvf)] + ([ovmf.read_bytes()] if ovmf else [])),
        (["measure", "--kernel"], [elf, bytes(bz), bytes(pe), gzip]),
        (["run"] + short, [bytes(tdvf)]),
        (["run"] + short + ["--kernel"], [bytes(bz), bytes(pe), gzip]),
        (["run"] + short + ["--append", "five_levels", "--kernel", guest, "--initrd"], [gzip]),
        (["measure", "--boot", "uki", "--firmware", str(ovmf), "--kernel", guest, "--disk"], [bytes(pe)]),
        (["host", "--memory", "3072", "--kernel"], [bytes(bz), elf[:300]]),
        (["host", "--memory", "3072", "--kernel", "/dev/null", "--symbols"], [elf]),
        (["host", "--snapshot-key", str(folder / "key"), "--resume"], [snapshot]),
    ]
    for text in faults():
        run(f"--fault {text[:60]!r}", ["host", "--memory", "3072", "--kernel", "/dev/null", "--fault", text])
    file = folder / "file"
    for command, sounds in verbs:
        for what, content in [v for s in sounds for v in spoilt(s)] + list(of_any_kind()):
            file.write_bytes(content)
            run(what, command + [str(file)])
        # what is no file, has no end, or is larger than any memory; a filter reads as long as there is something
        if command == ["decode", "--json"]:
            continue
        for what in ("/dev/null", "/dev/zero", str(folder)):
            run(what, command + [what], passes=command == ["decode"] and what != str(folder))
        with open(folder / "large", "wb") as f:
            f.truncate(1 << 40)
        run("2^40 bytes", command + [str(folder / "large")], passes=command == ["decode"])
    # names of files, too: of a folder that somebody made
    evil = folder / "evil"
    evil.mkdir()
    for i, content in enumerate((vector, b"no vector\n", b"\0\1", trace)):
        (evil / f"a\033]0;title\007\x9b{i}.vec").write_bytes(content)
    for options in (["--check"], ["--check", "--quiet"], ["--check", "--json"]):
        run("names of files", ["replay"] + options + [str(evil)])
    report = folder / "report"
    report.write_bytes(b"\4\0\2\0\x81\0\0\0" + bytes(1000))
    run("names of collateral", ["report"] + state + ["--collateral", str(evil), str(report)])
print(f"{checked} runs, {len(bad)} bad")
sys.exit(1 if bad else 0)
