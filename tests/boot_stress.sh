#!/bin/sh
# SPDX-License-Identifier: MIT
# stress-ng's arithmetic in a Linux TD, each result verified by itself: integers, floating point, memory, matrices
# and vectors up to 512 bits, in functions that it chooses by the processor's model. With the
# translator, with both engines compared, and a little of it interpreted.
set -eu
swtdx=$1 source=$2
kernel=${GUEST_KERNEL:-$source/build/guest/vmlinuz}
skip() {
	echo "boot_stress: $*"
	exit 77
}
[ -s "$kernel" ] || skip "no $kernel"
command -v busybox >/dev/null && command -v cpio >/dev/null || skip "no busybox or cpio"
stress=$(command -v stress-ng) || skip "no stress-ng"
# Of the model that the TD's CPUID tells, programs expect AVX-512 without a further question.
grep -qw avx512_vbmi2 /proc/cpuinfo || skip "this host has no AVX-512"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "boot_stress: $*" >&2
	tail -50 "$dir/out" >&2
	exit 1
}

run() { # engine, share of the work in percent, stressors
	engine=$1 share=$2
	shift 2
	# shellcheck disable=SC2016
	"$source/scripts/guest-initrd" "$dir/initrd" '
mkdir -p /tmp
mount -t tmpfs tmp /tmp
cd /tmp
one() {
	name=$1 ops=$2
	shift 2
	if /stress-ng --$name 1 --$name-ops $ops "$@" --verify --timeout 300 >said 2>&1 && ! grep -iE "fail|unsuccessful" said
	then echo "STRESSED $name"
	else
		status=1
		cat said
	fi
}
for name in '"$*"'; do
	case $name in
	cpu) one cpu '$((share * 2))' ;;
	vm) one vm '$((share * 2))' --vm-bytes 16M ;;
	*) one $name '"$share"' ;;
	esac
done' "$stress"
	"$swtdx" run --engine "$engine" --memory 512 --huge-pages --kernel "$kernel" --initrd "$dir/initrd" \
		--append "console=ttyS0 cryptomgr.notests=1 nokaslr quiet" </dev/null >"$dir/out" 2>&1 ||
		fail "$engine: exit $?"
	for name; do
		grep -aq "^STRESSED $name" "$dir/out" || fail "$engine: $name is not right"
	done
	grep -aq '^owned by the module at the end: 0 pages' "$dir/out" || fail "$engine: pages left"
	grep -a '^guest: ' "$dir/out"
}

run translate 100 cpu vm matrix vecmath vecwide vecfp
run check 20 cpu vm matrix vecmath vecwide vecfp
grep -aq ' 0 of [1-9][0-9]* executions of translated blocks differed' "$dir/out" || fail "the engines differ"
run interpret 2 cpu matrix vecmath vecwide vecfp
