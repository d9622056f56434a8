#!/bin/sh
# SPDX-License-Identifier: MIT
# Build a program of 32 bits, which needs no library, for a Linux guest: build32.sh SOURCE.c OUTPUT COMPILER...
set -eu
source=$1 out=$2
shift 2
"$@" -m32 -march=i686 -O2 -std=gnu17 -ffreestanding -fno-pic -fno-pie -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -Wall -Wextra -Werror -nostdlib -static -o "$out" "$source"
