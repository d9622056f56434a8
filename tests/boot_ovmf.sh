#!/bin/sh
# SPDX-License-Identifier: MIT
# Debian's OVMF.fd runs from the reset vector through SEC into PEI, and what it misses is named.
set -eu
swtdx=$1
image=${OVMF:-/usr/share/ovmf/OVMF.fd}
[ -f "$image" ] || exit 77
out=$(mktemp)
trap 'rm -f "$out"' EXIT
code=0
"$swtdx" run --quiet "$image" </dev/null >"$out" 2>&1 || code=$?
[ "$code" = 1 ] || { cat "$out"; echo "boot_ovmf: exit $code" >&2; exit 1; }
for line in 'PCI configuration space, which is not modelled' \
	"QEMU's firmware configuration (fw_cfg), which is not modelled" \
	'a device named above is missing' 'owned by the module at the end: 0 pages'; do
	grep -q "$line" "$out" || { cat "$out"; echo "boot_ovmf: no \"$line\"" >&2; exit 1; }
done
