#!/bin/sh
# SPDX-License-Identifier: MIT
# A disk: an ext4 file system in a raw image is mounted by a host and by a TD, which find what the other
# wrote the boot before. Skipped without a kernel and its modules, which scripts/guest-kernel fetches.
set -eu
swtdx=$1 source=$2
guest=$source/build/guest
for file in vmlinuz modules/virtio_mmio.ko modules/virtio_blk.ko; do
	[ -s "$guest/$file" ] || { echo "boot_disk: no $guest/$file"; exit 77; }
done
for tool in busybox cpio mke2fs e2fsck; do
	command -v $tool >/dev/null || { echo "boot_disk: no $tool"; exit 77; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "boot_disk: $*" >&2
	tail -n 50 "$dir/out" "$dir/err" >&2
	exit 1
}

"$source/scripts/guest-initrd" "$dir/initrd" '
insmod /virtio_mmio.ko
insmod /virtio_blk.ko
mkdir /disk
mount -t ext4 /dev/vda /disk || status=1
[ ! -f /disk/sum ] || md5sum -c /disk/sum || status=1
echo "boot $(cat /disk/boots)"
echo "$(($(cat /disk/boots) + 1))" >/disk/boots
dd if=/dev/urandom of=/disk/bytes bs=64k count=64 2>/dev/null
md5sum /disk/bytes >/disk/sum
umount /disk
grep virtio /proc/interrupts
! dd if=/dev/zero of=/dev/vdb bs=512 count=1 2>/dev/null || status=1
[ "$(head -c 9 /dev/vdb)" = "read only" ] || status=1
' "$guest/modules/virtio_mmio.ko" "$guest/modules/virtio_blk.ko"
mkdir "$dir/root"
echo 0 >"$dir/root/boots"
truncate -s 32M "$dir/disk"
mke2fs -q -t ext4 -d "$dir/root" "$dir/disk"
{ printf 'read only'; head -c 4096 /dev/zero; } >"$dir/other"

boot() { # which boot it is, verb and its options
	n=$1
	shift
	"$swtdx" "$@" --kernel "$guest/vmlinuz" --initrd "$dir/initrd" --disk "$dir/disk" --disk "$dir/other,readonly" \
		--append "console=ttyS0 cryptomgr.notests=1 nokaslr nowatchdog panic=-1 quiet" \
		</dev/null >"$dir/out" 2>"$dir/err" || fail "boot $n: exit $?"
	grep -aq "^boot $n" "$dir/out" || fail "boot $n does not find what the one before wrote"
	[ "$n" = 0 ] || grep -aq '^/disk/bytes: OK' "$dir/out" || fail "boot $n finds other bytes"
	grep -aq 'IO-APIC .*virtio0' "$dir/out" || fail "boot $n: the disk does not interrupt"
}
boot 0 host --cpus 2
grep -q '^host: 0 coherency faults' "$dir/err" || fail "coherency faults"
boot 1 host --cpus 1
boot 2 run --vcpus 2
boot 3 run --vcpus 1
e2fsck -fn "$dir/disk" >"$dir/out" 2>&1 || fail "the file system is not sound"

# A snapshot with a disk in use: it is read on, and input interrupts, as often as one resumes; not with another
# disk, nor with one that can change.
"$source/scripts/guest-initrd" "$dir/initrd" '
insmod /virtio_mmio.ko
insmod /virtio_blk.ko
first() { dd if=/dev/vda bs=512 count=1 iflag=direct 2>/dev/null | head -c 9; }
[ "$(first)" = "read only" ] || status=1
echo "a line is waited for"
read line
echo "said: $line; on the disk: $(first)"
' "$guest/modules/virtio_mmio.ko" "$guest/modules/virtio_blk.ko"
"$swtdx" host --cpus 2 --memory 3072 --kernel "$guest/vmlinuz" --initrd "$dir/initrd" --disk "$dir/other,readonly" \
	--append "console=ttyS0 cryptomgr.notests=1 nokaslr nowatchdog panic=-1 quiet" \
	--snapshot "$dir/snapshot" --snapshot-when "a line is waited for" </dev/null >"$dir/out" 2>"$dir/err" ||
	fail "no snapshot with a disk: exit $?"
for line in one another; do
	echo "$line" >"$dir/in"
	"$swtdx" host --resume "$dir/snapshot" --disk "$dir/other,readonly" <"$dir/in" >"$dir/out" 2>"$dir/err" ||
		fail "resumed: exit $?"
	grep -aq "^said: $line; on the disk: read only" "$dir/out" || fail "resumed, it does not read on"
done
unlike() { # exit status, what it says, OPTION...
	want=$1 text=$2 code=0
	shift 2
	"$swtdx" host --resume "$dir/snapshot" "$@" </dev/null >"$dir/out" 2>"$dir/err" || code=$?
	[ $code = "$want" ] || fail "exit $code, not $want, for $*"
	grep -q "$text" "$dir/err" || fail "it does not say: $text"
}
unlike 1 'its virtio device 0 is another'
unlike 1 'its virtio device 0 is another' --disk "$dir/disk,readonly"
unlike 2 "$dir/other: what it is changed to is not in a snapshot" --disk "$dir/other"

# What cannot be a disk is refused, by name.
refused() { # what it says, then the disk
	code=0
	"$swtdx" run --kernel "$guest/vmlinuz" --disk "$2" >"$dir/out" 2>"$dir/err" || code=$?
	[ $code = 3 ] || fail "exit $code for $2"
	grep -qF "swtdx run: $2: $1" "$dir/err" || fail "it does not say: $2: $1"
}
refused 'No such file' "$dir/none"
refused 'Is a directory' "$dir"
refused 'Illegal seek' /dev/null
(
	flock -n 9
	refused 'in use' "$dir/disk"
) 9<"$dir/disk"
