#!/bin/sh
# SPDX-License-Identifier: MIT
# Build the boot firmware and print it as a C array.
# build.sh SRCDIR WORKDIR OUTPUT COMPILER...
set -eu
src=$1 work=$2 out=$3
shift 3
mkdir -p "$work"
objects=
for f in reset.S main.c acpi.c hob.c log.c sha384.c; do
	o=$work/${f%.*}.o
	"$@" -I"$src/../src" -c -Os -std=gnu17 -m64 -march=x86-64 -ffreestanding -fno-builtin -fPIE -fvisibility=hidden \
		-mno-sse -mno-red-zone -fno-stack-protector -fcf-protection=none \
		-fno-asynchronous-unwind-tables -fno-strict-aliasing -Wall -Wextra -Werror \
		-o "$o" "$src/$f"
	objects="$objects $o"
done
# shellcheck disable=SC2086
ld -nostdlib -static --no-dynamic-linker -z noexecstack --no-warn-rwx-segments \
	-T "$src/firmware.lds" -o "$work/firmware.elf" $objects
objcopy -O binary --gap-fill 0 "$work/firmware.elf" "$work/firmware.bin"
[ "$(wc -c <"$work/firmware.bin")" -eq 65536 ] || { echo "the firmware is not 64 KiB" >&2; exit 1; }
{
	echo "/* Made by firmware/build.sh. */"
	echo "#include \"vmm/boot_firmware.h\""
	echo "const uint8_t boot_firmware[FW_SIZE] = {"
	od -An -v -tx1 -w16 "$work/firmware.bin" | sed 's/ \(..\)/0x\1,/g'
	echo "};"
} >"$out"
