#!/bin/sh
# SPDX-License-Identifier: MIT
# The host library, the SEAMCALL port and the example as one relocatable kernel object.
# Usage: build.sh OUTPUT [CC]
set -eu
out=$1 cc=${2:-cc}
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
flags="-std=gnu17 -O2 -ffreestanding -nostdinc -isystem $("$cc" -print-file-name=include)
	-mgeneral-regs-only -mno-red-zone -mcmodel=kernel -fno-pic -fno-stack-protector
	-Wall -Wextra -Werror -DSWTDX_SHORT_NAMES -Iinclude -Isrc -Iexamples/kernel"
for f in src/arch/*.c src/abi/*.c src/host/*.c src/port/seamcall.c src/port/seamcall.S examples/kernel/tdx.c; do
	"$cc" $flags -c "$f" -o "$tmp/$(echo "$f" | tr / _).o"
done
ld -r -o "$out" "$tmp"/*.o
