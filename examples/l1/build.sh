#!/bin/sh
# SPDX-License-Identifier: MIT
# The guest library and the example L1 VMM as one ELF file: swtdx run --l2-vms 1 --kernel OUTPUT
# boots it. bundle.sh makes what it boots in its VM.
# Usage: build.sh OUTPUT [CC]...
set -eu
out=$1
shift
[ $# -gt 0 ] || set -- cc
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
include=$("$@" -print-file-name=include)
for f in src/guest/*.c src/guest/tdcall.S src/device/uart.c firmware/acpi.c examples/l1/*.c examples/l1/*.S; do
	"$@" -std=gnu17 -O2 -m64 -march=x86-64 -ffreestanding -nostdinc -isystem "$include" \
		-mgeneral-regs-only -mno-red-zone -mcmodel=small -fno-pic -fno-stack-protector \
		-fcf-protection=none -fno-asynchronous-unwind-tables -Wall -Wextra -Werror \
		-DSWTDX_SHORT_NAMES -Iinclude -Isrc -c "$f" -o "$tmp/$(echo "$f" | tr / _).o"
done
ld -nostdlib -static -z noexecstack --no-warn-rwx-segments -Ttext-segment=0x900000 \
	-o "$out" "$tmp"/*.o
