#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# swtdx host on a terminal: keys are the kernel's, Ctrl-C too; Ctrl-A x, SIGTERM, SIGHUP and SIGINT end the machine
# whole; the terminal's modes come back; what the kernel says is filtered; and the process has given up what it does
# not need. Then kernels that mean no good (guest/board.c): each ends in its time, below its memory, with the status
# and the sentence it has earned.
# host_terminal.py SWTDX KERNEL
import signal
import subprocess
import sys
import tempfile
import time

import verdict
from terminal import Terminal, all_filtered, signals_end_it_whole

SWTDX, KERNEL = sys.argv[1:3]
LIMIT_LINES = 300

# name: exit statuses, sentence
KERNELS = {
    "off": (0, r"switched off"),
    "flood": (0, r"switched off"),
    "halts": (1, r"halted: every processor is halted"),
    "resets": (1, r"host: reset: reset"),
    "no_idt": (1, r"triple fault of processor 0: #UD at 0x[0-9a-f]+ could not be delivered \(IDT at 0x0,"),
    "idt_in_a_device": (1, r"triple fault of processor 0: #UD at .*IDT at 0xfec00000"),
    "stack_in_a_device": (0, r"switched off"),
    "cr3_outside": (1, r"code or page tables at 0x3ffffffff000, where no memory is"),
    "ports": (0, r"switched off"),
    "msrs": (0, r"switched off"),
    "memory": (0, r"switched off"),
    "devices": (0, r"switched off"),
    "timers": (0, r"switched off"),
    "ipis": (0, r"switched off"),
    "inits_itself": (1, r"INIT of the first processor"),
    "seamcalls": (0, r"TDH.MEM.PAGE.ADD: TDX_SYS_NOT_READY"),
    "tables": (1, r"where no memory is|triple fault of processor 0"),
    "wakes_into_nothing": (1, r"triple fault of processor 1: #GP|where no memory is"),
}


def command(kernel, *options):
    return [SWTDX, "host", "--memory", "3072", *options, "--kernel", KERNEL, "--append", kernel]


def keys_are_the_kernels():
    r = Terminal(command("echo"))
    r.until(rb"ready")
    r.type(b"\x03\x1a\x1c\x11\x13\r")
    r.until(rb"03\n1a\n1c\n11\n13\n0d\n")
    r.type(b"\x01\x01\x01z")
    r.until(rb"0d\n01\n01\n7a\n")
    r.type(b"\x01h")
    r.until(rb"Ctrl-A x ends")
    r.type(b"q")
    r.ends(0)


def ctrl_a_x_ends_what_does_not_listen():
    for kernel in ("spins", "waits_masked"):
        for clock in ("host", "virtual"):
            r = Terminal(command(kernel, "--clock", clock))
            r.until(rb"spins|waits")
            r.type(b"\x01x")
            r.ends(0)


def spins(trace):
    r = Terminal(command("spins", "--trace", trace))
    r.until(rb"spins")
    return r


def what_nobody_reads_ends_too():
    """The kernel waits for its console, which holds the devices: who ends it must not."""
    r = Terminal(command("flood"))
    time.sleep(1)  # the terminal is full
    r.child.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 60
    while r.child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    if r.child.poll() is None:
        r.fail("it waits for ever")


def a_console_that_is_gone_ends_it():
    child = subprocess.Popen(command("flood"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdout.close()
    if child.wait() != 3 or b"Broken pipe" not in child.stderr.read():
        sys.exit(f"host_terminal: a console that is gone: exit status {child.returncode}")


def what_the_kernel_says_is_filtered():
    r = Terminal(command("escapes"))
    r.until(rb"\n")
    r.ends(0)
    said = r.got.split(b"\n")
    if b"abc\x1b[31md\x1b[0mefg" not in said:
        r.fail(f"not filtered: {said[:3]}")
    r = Terminal(command("escapes", "--unfiltered"))
    r.ends(0)
    if b"\x1b[6n" not in r.got:
        r.fail("filtered")
    plain = subprocess.run(command("escapes"), stdin=subprocess.DEVNULL, capture_output=True)
    if b"a\x1b]0;title\x07b\x1b[6n" not in plain.stdout:
        r.fail("filtered into a pipe")


def the_process_has_given_up_what_it_does_not_need():
    with tempfile.TemporaryDirectory() as d:
        for options in ([], ["--gdb", ":0"], ["--clock", "virtual"], ["--trace", f"{d}/trace"]):
            r = Terminal(command("spins", *options))
            r.until(rb"waiting for" if options[:1] == ["--gdb"] else rb"spins")
            while not (b"no sandbox" in r.got or all_filtered(r.child.pid)):
                r.read()
            r.type(b"\x01x")
            r.ends(0)


def hostile(name, want, clock):
    ended = verdict.run(command(name, "--clock", clock))
    return verdict.told(f"host_terminal: {name}, clock {clock}", ended, *want, lines=LIMIT_LINES, summary=ended.words)


keys_are_the_kernels()
ctrl_a_x_ends_what_does_not_listen()
signals_end_it_whole(SWTDX, spins)
what_nobody_reads_ends_too()
a_console_that_is_gone_ends_it()
what_the_kernel_says_is_filtered()
the_process_has_given_up_what_it_does_not_need()
sys.exit(0 if all([hostile(name, want, clock) for clock in ("host", "virtual") for name, want in KERNELS.items()]) else 1)
