#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A whole `swtdx run` with each of its allocations failing once: it ends by itself, with a status that is one of
its own, and a sentence when it did not come to its end.
run_allocations.py SWTDX GUEST PRELOAD [STEP]: every STEP-th allocation; the first 16 in any case."""
import os
import subprocess
import sys
import tempfile

LIMIT_S = 180


def run(command, env):
    try:
        return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return None


def main():
    swtdx, guest, preload = sys.argv[1:4]
    step = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    command = [swtdx, "run", "--quiet", "--memory", "128", "--kernel", guest, "--append", "fatal"]
    with tempfile.TemporaryDirectory() as directory:
        count = os.path.join(directory, "count")
        env = dict(os.environ, LD_PRELOAD=preload)
        whole = run(command, dict(env, FAIL_ALLOC_COUNT=count))
        if whole is None or whole.returncode != 1:  # the guest reports an error of its own
            sys.exit(f"run_allocations: without a failure: {whole}")
        total = int(open(count).read())
        if total < 100:
            sys.exit(f"run_allocations: {total} allocations seen: {preload} is not in the way")
        bad = 0
        for n in sorted(set(range(1, min(total, 16) + 1)) | set(range(16, total + 1, step))):
            r = run(command, dict(env, FAIL_ALLOC=str(n)))
            if r is None:
                wrong = "does not end"
            elif r.returncode not in (0, 1, 3):
                wrong = f"status {r.returncode}"
            elif r.returncode and not r.stderr.strip():
                wrong = "fails without a word"
            else:
                continue
            bad += 1
            print(f"run_allocations: allocation {n} of {total}: {wrong}", r.stderr[-300:] if r else "", flush=True)
            if bad > 10:
                break
        print(f"{total} allocations, every {step}.")
        sys.exit(1 if bad else 0)


main()
