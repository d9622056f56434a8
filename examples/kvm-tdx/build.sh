#!/bin/sh
# SPDX-License-Identifier: MIT
# The VMM, static, as DIR/kvm-tdx, and TDs for it, DIR/hello.bin and DIR/threads.bin;
# and DIR/doorbell.bin, for tests/kvm_second.c.
# Usage: build.sh DIR [CC]...
set -eu
dir=$1
shift
[ $# -gt 0 ] || set -- cc
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$dir"
"$@" -std=gnu17 -D_GNU_SOURCE -O2 -static -pthread -Wall -Wextra -Werror -o "$dir/kvm-tdx" "$here/main.c" \
	"$here/image.c" "$here/td.c" "$here/ioapic.c" "$here/quote.c" "$here/run.c"
# A TD of so many bytes, which end at 4 GiB.
td() { # NAME SIZE SOURCE...
	name=$1 size=$2
	shift 2
	objects=
	for f in hello.S "$@"; do
		object=$dir/$name.$(basename "$f").o
		objects="$objects $object"
		$compile -std=gnu17 -Os -m64 -march=x86-64 -ffreestanding -fno-builtin -fno-pic -mcmodel=large \
			-mgeneral-regs-only -mno-red-zone -fno-stack-protector -fcf-protection=none \
			-fno-asynchronous-unwind-tables -fno-jump-tables -ffunction-sections -fdata-sections \
			-I"$here/../../src" -I"$here/../../include" -DSWTDX_SHORT_NAMES -DIMAGE_SIZE="$size" \
			-Wall -Wextra -Werror -c -o "$object" "$here/$f"
	done
	# shellcheck disable=SC2086
	ld -nostdlib -static -z noexecstack --no-warn-rwx-segments --gc-sections \
		--defsym=IMAGE_SIZE="$size" -T "$here/hello.lds" -o "$dir/$name.elf" $objects
	objcopy -O binary --gap-fill 0 "$dir/$name.elf" "$dir/$name.bin"
	# shellcheck disable=SC2086
	rm -f $objects "$dir/$name.elf"
	[ "$(wc -c <"$dir/$name.bin")" -eq $((size)) ] || { echo "$name.bin is not of $size bytes" >&2; exit 1; }
}
compile="$*"
td hello 0x4000 hello.c
td doorbell 0x4000 doorbell.c
guest=../../src/guest
td threads 0x10000 threads.c $guest/map_gpa.c $guest/accept.c $guest/tdg_mem.c $guest/tdg_vp.c \
	$guest/tdvmcall.c $guest/tdcall.S
