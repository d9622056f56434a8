#!/bin/sh
# SPDX-License-Identifier: MIT
# The VMM, static, as DIR/kvm-tdx, and the TD it starts, DIR/hello.bin.
# Usage: build.sh DIR [CC]...
set -eu
dir=$1
shift
[ $# -gt 0 ] || set -- cc
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$dir"
"$@" -std=gnu17 -O2 -static -pthread -Wall -Wextra -Werror -o "$dir/kvm-tdx" "$here/main.c" \
	"$here/image.c" "$here/td.c" "$here/ioapic.c" "$here/run.c"
for f in hello.S hello.c; do
	"$@" -std=gnu17 -Os -m64 -march=x86-64 -ffreestanding -fno-builtin -fno-pic -mcmodel=large \
		-mgeneral-regs-only -mno-red-zone -fno-stack-protector -fcf-protection=none \
		-fno-asynchronous-unwind-tables -I"$here/../../src" -Wall -Wextra -Werror -c -o "$dir/$f.o" "$here/$f"
done
ld -nostdlib -static -z noexecstack --no-warn-rwx-segments -T "$here/hello.lds" -o "$dir/hello.elf" \
	"$dir/hello.S.o" "$dir/hello.c.o"
objcopy -O binary --gap-fill 0 "$dir/hello.elf" "$dir/hello.bin"
rm -f "$dir"/hello.*.o "$dir/hello.elf"
[ "$(wc -c <"$dir/hello.bin")" -eq 16384 ] || { echo "hello.bin is not 16 KiB" >&2; exit 1; }
