#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Takes a duty out of a kernel: plant.py VMLINUX OUTPUT FUNCTION[:CALLEE|=OTHER]
The function returns 0 at once and does nothing, or does not call the other, or is another one."""
import struct
import sys

RETURN_0 = b"\x31\xc0\xc3"  # xor %eax, %eax; ret
NOP_5 = b"\x0f\x1f\x44\x00\x00"


def sections(elf):
    offset, = struct.unpack_from("<Q", elf, 0x28)
    size, count = struct.unpack_from("<HH", elf, 0x3A)
    for i in range(count):
        yield struct.unpack_from("<IIQQQQIIQQ", elf, offset + i * size)


def find(elf, name):
    """Place in the file, address and size of a function."""
    table = list(sections(elf))
    symtab = next(s for s in table if s[1] == 2)
    strings = table[symtab[6]]
    for at in range(symtab[4], symtab[4] + symtab[5], 24):
        n, _, _, section, value, size = struct.unpack_from("<IBBHQQ", elf, at)
        start = strings[4] + n
        if elf[start:elf.index(b"\0", start)] == name.encode() and 0 < section < len(table):
            return table[section][4] + value - table[section][3], value, size
    sys.exit(f"plant: no {name} in the kernel")


kernel, out, function = sys.argv[1:]
function, _, other = function.partition("=")
function, _, callee = function.partition(":")
with open(kernel, "rb") as f:
    data = bytearray(f.read())
place, address, size = find(data, function)
if other:
    distance = find(data, other)[1] - (address + 5)
    data[place:place + 5] = b"\xe9" + struct.pack("<i", distance)  # jmp
elif callee:
    target = find(data, callee)[1]
    calls = [i for i in range(size - 4) if data[place + i] == 0xE8 and
             address + i + 5 + struct.unpack_from("<i", data, place + i + 1)[0] == target]
    if not calls:
        sys.exit(f"plant: {function} does not call {callee}")
    for i in calls:
        data[place + i:place + i + 5] = NOP_5
else:
    data[place:place + len(RETURN_0)] = RETURN_0
with open(out, "wb") as f:
    f.write(data)
