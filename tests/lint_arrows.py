#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plants arrows that the house forbids, one at a time in a copy of the tree, and sees each refused;
the tree as it stands has none. lint_arrows.py SOURCE BUILD COMPILER..."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

source, build, compiler = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), sys.argv[3:]

# file, what is added to it, what the guard must say
PLANTED = [
    ("src/machine/memory.c", "#include <swtdx/vmm.h>", "machine must not know vmm"),
    ("src/machine/memory.c", '#include "../module/internal.h"', "machine must not know module"),
    ("src/engine/vcpus.c", '#include "module/internal.h"', "module/internal.h is for its own room"),
    ("src/x86/run.c", '#include "abi/sept.h"', "x86 must not know abi"),
    ("src/device/uart.c", '#include "machine/machine.h"', "device must not know machine"),
    ("src/vmm/vm.c", '#include "module/module.h"', "vmm must not know module"),
    ("src/module/kot.c", '  #  include "engine/engine.h"', "module must not know engine"),
    ("src/arch/msr.def", '#include "abi/sept.h"', "arch must not know abi"),
    ("include/swtdx/types.h", "#include <swtdx/status.h>", "arch must not know abi"),
    ("include/swtdx/host.h", "#include <swtdx/model.h>", "host must not know port"),
    ("include/swtdx/new.h", "", "a header that scripts/arrows gives to no room"),
    ("src/attic/new.c", "", "a room that scripts/arrows does not know"),
    ("scripts/arrows", "x86: arch machine", "x86 -> machine is listed, and nothing uses it"),
]
# Without any #include: what the objects say.
CALLS = [
    ("src_machine_planted.c.o", "module_unload", "machine must not know module"),
    ("src_vmm_planted.c.o", "machine_rdmsr", "vmm must not know machine"),
    ("src_x86_planted.c.o", "tdx_status_format", "x86 must not know abi"),
]
failures = 0


def check(root, objects, expected, what):
    global failures
    r = subprocess.run([sys.executable, str(root / "scripts/check-arrows"), str(objects), str(root)],
                       capture_output=True, text=True)
    good = r.returncode == (1 if expected else 0) and (not expected or expected in r.stdout)
    print(("ok " if good else "not ok ") + what)
    if not good:
        failures += 1
        print(f"  exit code {r.returncode}, wanted: {expected}\n  " + r.stdout.replace("\n", "\n  ") + r.stderr)


with tempfile.TemporaryDirectory() as tmp:
    root = pathlib.Path(tmp) / "tree"
    root.mkdir()
    for d in ("src", "include", "tools", "scripts", "firmware"):
        shutil.copytree(source / d, root / d)
    check(root, build, None, "the tree as it stands")
    for name, line, expected in PLANTED:
        path = root / name
        before = path.read_bytes() if path.exists() else None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((before or b"") + b"\n" + line.encode() + b"\n")
        check(root, build, expected, f"{name}: {line or 'a new file'}")
        if before is None:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
        else:
            path.write_bytes(before)
    for name, symbol, expected in CALLS:
        fake = pathlib.Path(tmp) / "build"
        for d in ("libswtdx.so.0.p", "tools/swtdx.p"):
            (fake / d).mkdir(parents=True)
            for o in (build / d).glob("*.o"):
                (fake / d / o.name).symlink_to(o)
        planted = fake / "planted.c"
        planted.write_text(f"void {symbol}(void); void planted(void); void planted(void) {{ {symbol}(); }}\n")
        subprocess.run(compiler + ["-c", str(planted), "-o", str(fake / "libswtdx.so.0.p" / name)], check=True)
        check(root, fake, expected, f"{name} calls {symbol}()")
        shutil.rmtree(fake)
sys.exit(1 if failures else 0)
