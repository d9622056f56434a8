#!/bin/sh
# SPDX-License-Identifier: MIT
# An L1 VMM whose L2 VM runs Linux moves between two machines, live: over a socket there and back,
# with its memory after it, given up on the way. The kernel in the VM hashes and counts on. Skipped
# without a kernel, which scripts/guest-kernel fetches.
# Usage: boot_migrate_l1.sh SWTDX L1.ELF SOURCE
set -eu
name=boot_migrate_l1 swtdx=$1 l1=$2 source=$3
. "$source/tests/boot_moves"
hashing_guest 1
"$source/examples/l1/bundle.sh" "$dir/bundle" "$kernel" "$dir/initrd"
guest="--timeout 800 --l2-vms 1 --kernel $l1 --initrd $dir/bundle" count=3

moves_all_ways
echo "boot_migrate_l1: ok"
