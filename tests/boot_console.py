#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# A Linux guest at a terminal: 10,000 lines before it switches off all arrive, Ctrl-C stops what runs in it, a paste
# is whole, the window's size may change, the second port works, Ctrl-A x ends it. Skipped without a kernel, which
# scripts/guest-kernel fetches (make run does).
# boot_console.py SWTDX SOURCE
import fcntl
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time

from terminal import Terminal

SWTDX, SOURCE = sys.argv[1:3]
KERNEL = os.environ.get("GUEST_KERNEL", f"{SOURCE}/build/guest/vmlinuz")
LIMIT_S = 200
LINES = 10000


class Guest(Terminal):
    def __init__(self, directory, command, *options):
        subprocess.run([f"{SOURCE}/scripts/guest-initrd", f"{directory}/initrd", command], check=True)
        super().__init__(
            [SWTDX, "run", "--quiet", "--memory", "256", "--huge-pages", *options, "--kernel", KERNEL, "--initrd",
             f"{directory}/initrd", "--append", "console=ttyS0 cryptomgr.notests=1 nokaslr quiet panic=-1"],
            limit_s=LIMIT_S, opost=True)


def nothing_is_lost_at_power_off(directory):
    for sleep in ("sleep 2", ":"):
        g = Guest(directory, f'i=0; while [ $i -lt {LINES} ]; do echo "line $i."; i=$((i+1)); done; {sleep}')
        g.ends(0)
        lines = re.findall(rb"^line (\d+)\.\r*$", g.got, re.M)
        if [int(n) for n in lines] != list(range(LINES)):
            g.fail(f"{len(lines)} lines of {LINES} before power-off ({sleep})")


def a_shell_at_the_terminal(directory):
    with open(f"{directory}/second", "w"):
        pass
    g = Guest(directory, "echo second >/dev/ttyS1; grep ttyS0 /proc/interrupts; setsid cttyhack sh; :",
              "--serial2", f"file:{directory}/second")
    g.until(rb"-edge +ttyS0")  # it is not polled
    g.until(rb"# $")
    g.type(b"sleep 1000 && echo not reached\r")
    g.until(rb"not reached\r")
    time.sleep(1)
    g.type(b"\x03")
    g.type(b"echo stat$?us\r")
    g.until(rb"stat130us")
    fcntl.ioctl(g.master, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
    paste = b"".join(b"%05d %s\n" % (i, b"x" * 70) for i in range(250))
    g.type(b"stty -echo; cat >/pasted; stty echo; md5sum /pasted; wc -c </pasted\r")
    time.sleep(1)
    g.type(paste)
    g.type(b"\x04")
    g.until(rb"[0-9a-f]{32}  /pasted\r*\n")
    g.until(rb"\n%d\r" % len(paste))
    g.type(b"\x01h")
    g.until(rb"Ctrl-A x ends")
    g.type(b"\x01x")
    g.ends(0)
    if open(f"{directory}/second", "rb").read() != b"second\r\n":
        g.fail("nothing came by the second port")


if not os.path.exists(KERNEL) or not shutil.which("busybox") or not shutil.which("cpio"):
    print(f"boot_console: no {KERNEL}, busybox or cpio")
    sys.exit(77)
with tempfile.TemporaryDirectory() as directory:
    nothing_is_lost_at_power_off(directory)
    a_shell_at_the_terminal(directory)
