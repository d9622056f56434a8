#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Every verb that executes guests' code does so in the sandbox, and works where there is none to be had, which it says
# once; also without a home, a name, a terminal and a language, and as a user who owns nothing.
# cli_sandbox.py SWTDX NO_SANDBOX TD_GUEST BOARD_GUEST
import os
import re
import subprocess
import sys
import tempfile

swtdx, no_sandbox, td, board = map(os.path.realpath, sys.argv[1:])
bad = []

# verb: arguments of a guest that ends at once, what stands in its words
VERBS = {
    "run": (["--memory", "128", "--kernel", td, "--append", "halts"], None),
    "migrate": (["--memory", "128", "--times", "1", "--after", "0", "--end", "--kernel", td, "--append", "spins"], "1 moves"),
    "host": (["--memory", "3072", "--kernel", board, "--append", "off"], "switched off"),
}
NOBODY = 65534


def run(verb, *options, before=(), **more):
    return subprocess.run([*before, swtdx, verb, *options, *VERBS[verb][0]], stdin=subprocess.DEVNULL, capture_output=True, **more)


def check(good, what, run_):
    if not good:
        bad.append(what)
        print(f"cli_sandbox: {what}: exit status {run_.returncode}", *run_.stderr.decode(errors="replace").splitlines()[:10], sep="\n\t")


listed = re.findall(r"^  ([a-z]+) ", subprocess.run([swtdx, "--help"], capture_output=True, text=True).stdout, re.M)
for verb in listed:
    usage = "" if verb == "help" else subprocess.run([swtdx, verb, "--help"], capture_output=True, text=True).stdout
    # what has an engine of guests' code, but where the process is its client's
    if "--engine" in usage and verb != "kvm" and verb not in VERBS:
        sys.exit(f"cli_sandbox: {verb} executes guests' code and is not tried here")
    if verb in VERBS and "--sandbox" not in usage:
        sys.exit(f"cli_sandbox: {verb} has no --sandbox")

for verb, (_, said) in VERBS.items():
    plain = run(verb)
    wanted = plain.returncode
    instrumented = b"instrumented" in plain.stderr
    check(plain.returncode in (0, 1) and (instrumented or b"no sandbox" not in plain.stderr), f"{verb} in the sandbox", plain)
    check(not said or said.encode() in plain.stderr, f"{verb}: no \"{said}\"", plain)
    without = run(verb, before=[no_sandbox])
    if without.returncode == 77:
        print("cli_sandbox: no filter can be had here")
        continue
    check(without.returncode == wanted, f"{verb} where there is no sandbox", without)
    check(without.stderr.count(b"no sandbox") == 1, f"{verb} says {without.stderr.count(b'no sandbox')} times that there is none", without)
    off = run(verb, "--sandbox", "off", before=[no_sandbox])
    check(off.returncode == wanted and b"no sandbox" not in off.stderr, f"{verb} --sandbox off", off)
    bare = run(verb, env={})
    check(bare.returncode == wanted, f"{verb} with nothing in its environment", bare)
    odd = run(verb, env={"LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu", "TERM": "no-such-terminal"})
    check(odd.returncode == wanted, f"{verb} in another language", odd)
    with tempfile.TemporaryDirectory() as nowhere:
        os.chmod(nowhere, 0o555)
        if os.geteuid() == 0:
            try:
                run_as = run(verb, env={"HOME": "/nonexistent"}, user=NOBODY, group=NOBODY, extra_groups=[], cwd=nowhere, umask=0o777)
                check(run_as.returncode == wanted, f"{verb} of nobody's", run_as)
            except PermissionError:  # the program is where only its owner comes
                print("cli_sandbox: nobody else may execute it here")
print(f"{len(bad)} bad")
sys.exit(1 if bad else 0)
