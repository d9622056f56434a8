#!/bin/sh
# SPDX-License-Identifier: MIT
# Build a test guest: build.sh SOURCE.c WORKDIR OUTPUT COMPILER...
set -eu
source=$1 work=$2 out=$3
shift 3
here=$(dirname "$source")
mkdir -p "$work"
"$@" -I"$here/../../src" -I"$here/../../include" -c -Os -std=gnu17 -m64 -march=x86-64 -ffreestanding -fno-builtin -fno-pic -mcmodel=small -mno-sse \
	-mno-red-zone -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
	-Wall -Wextra -Werror -o "$work/guest.o" "$source"
# A kernel of the board starts by itself.
start=
case $source in */board.c) ;; *) start=$work/start.o; "$@" -c -o "$start" "$here/start.S" ;; esac
ld -nostdlib -static -z noexecstack --no-warn-rwx-segments -T "$here/guest.lds" -o "$out" \
	$start "$work/guest.o"
