# SPDX-License-Identifier: MIT
# What a command may take and say that somebody hostile keeps busy: 60 s of processor time, 1 GiB of memory, the
# status and the sentence he has earned, few words, and nothing left behind.
import collections
import os
import re
import signal
import subprocess
import tempfile

LIMIT_S, LIMIT_KB = 60, 1 << 20
PATIENCE_S = 600  # for one that waits, on a machine that has much else to do
SUMMARY = "owned by the module at the end: 0 pages"

Ended = collections.namedtuple("Ended", "status usage said words")


def run(command, env=None):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env)
        signal.signal(signal.SIGALRM, lambda *_: child.kill())
        signal.alarm(PATIENCE_S)
        _, status, usage = os.wait4(child.pid, 0)
        signal.alarm(0)
        out.seek(0)
        err.seek(0)
        said, words = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    return Ended(os.waitstatus_to_exitcode(status), usage, said, words)


def told(name, ended, status, sentence, lines, summary):
    """Prints what is wrong, if anything; whether all is well. status: one, or a tuple; sentence: None, any will
    do; summary: the text it is in."""
    wrong = []
    if ended.status not in (status if isinstance(status, tuple) else (status,)):
        wrong.append(f"exit status {ended.status} in place of {status}")
    if ended.usage.ru_utime + ended.usage.ru_stime > LIMIT_S:
        wrong.append(f"{ended.usage.ru_utime + ended.usage.ru_stime:.0f} s of processor time")
    if ended.usage.ru_maxrss > LIMIT_KB and os.environ.get("SWTDX_TEST_BUILD") != "sanitized":
        wrong.append(f"{ended.usage.ru_maxrss} KiB")
    if sentence and not re.search(sentence, ended.words):
        wrong.append(f'no "{sentence}"')
    if ended.words.count("\n") > lines:
        wrong.append(f"{ended.words.count(chr(10))} lines of complaint")
    if SUMMARY not in summary:
        wrong.append("no summary, or pages left")
    if wrong:
        print(f"{name}: {'; '.join(wrong)}", *ended.words.splitlines()[:20], sep="\n\t")
    return not wrong
