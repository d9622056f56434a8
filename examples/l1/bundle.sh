#!/bin/sh
# SPDX-License-Identifier: MIT
# A kernel and its initrd for the VM of the example L1 VMM, to be given to swtdx run as --initrd.
# Usage: bundle.sh OUTPUT KERNEL [INITRD]
set -eu
initrd=${3:-/dev/null}
size() { wc -c <"$1" | tr -d ' '; }
{
	printf 'l1 %s %s\n' "$(size "$2")" "$(size "$initrd")" | dd bs=4096 conv=sync status=none
	dd if="$2" bs=4096 conv=sync status=none
	cat "$initrd"
} >"$1"
