#!/bin/sh
# SPDX-License-Identifier: MIT
# A qcow2 image and a shared folder, served by qemu-storage-daemon and virtiofsd, by a host and by a TD:
# files go there and come back, and the servers end with the machine, however that ends. Skipped without a
# kernel and its modules, which scripts/guest-kernel fetches, and without the servers.
set -eu
swtdx=$1 source=$2
guest=$source/build/guest
for file in vmlinuz modules/virtio_mmio.ko modules/virtio_blk.ko; do
	[ -s "$guest/$file" ] || { echo "boot_served: no $guest/$file"; exit 77; }
done
for tool in busybox cpio mke2fs e2fsck qemu-img qemu-storage-daemon; do
	command -v $tool >/dev/null || { echo "boot_served: no $tool"; exit 77; }
done
PATH=$PATH:/usr/libexec:/usr/lib/qemu command -v virtiofsd >/dev/null || { echo "boot_served: no virtiofsd"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "boot_served: $*" >&2
	tail -n 50 "$dir/out" "$dir/err" >&2
	exit 1
}

# Of ours, by what they were given.
servers() {
	pgrep -f "(virtiofsd|qemu-storage-daemon).*$dir" || true
}

# Both need what a container may not have: try them alone.
mkdir "$dir/folder"
echo "from outside" >"$dir/folder/said"
: >"$dir/out"
truncate -s 32M "$dir/raw"
mke2fs -q -t ext4 "$dir/raw"
qemu-img convert -f raw -O qcow2 "$dir/raw" "$dir/a,disk.qcow2"
code=0
timeout 60 "$swtdx" host --kernel /dev/null --share "$dir/folder" >"$dir/out" 2>"$dir/err" || code=$?
! grep -q 'its server has ended' "$dir/err" || { echo "boot_served: virtiofsd may not run here" && exit 77; }
[ -z "$(servers)" ] || fail "a server outlives a kernel that is none"

"$source/scripts/guest-initrd" "$dir/initrd" '
insmod /virtio_mmio.ko
insmod /virtio_blk.ko
mkdir /disk /share
mount -t ext4 /dev/vda /disk || status=1
mount -t virtiofs share /share || status=1
[ "$(cat /share/said)" = "from outside" ] || status=1
if [ -f /disk/bytes ]; then
	cmp /disk/bytes /share/bytes || status=1
	cat /disk/bytes /disk/bytes /disk/bytes | cmp - /share/more || status=1
	echo "the same"
fi
dd if=/dev/urandom of=/disk/bytes bs=64k count=48 2>/dev/null
cp /disk/bytes /share/bytes
cat /disk/bytes /disk/bytes /disk/bytes >/share/more
mkdir /share/folder && mv /share/folder /share/moved && rmdir /share/moved || status=1
! cat /share/none 2>/dev/null || status=1
umount /share
umount /disk
' "$guest/modules/virtio_mmio.ko" "$guest/modules/virtio_blk.ko"

boot() { # verb and its options
	"$swtdx" "$@" --kernel "$guest/vmlinuz" --initrd "$dir/initrd" --disk "$dir/a,disk.qcow2" \
		--share "$dir/folder" --append "console=ttyS0 cryptomgr.notests=1 nokaslr nowatchdog panic=-1 quiet" \
		</dev/null >"$dir/out" 2>"$dir/err" || fail "exit $?"
	[ -z "$(servers)" ] || fail "a server is left"
}
boot host --cpus 2
grep -q '^host: 0 coherency faults' "$dir/err" || fail "coherency faults"
boot run --vcpus 2
grep -aq '^the same' "$dir/out" || fail "the TD does not find what the host wrote"
[ "$(stat -c %s "$dir/folder/more")" = 9437184 ] || fail "the folder has something else"
qemu-img convert -O raw "$dir/a,disk.qcow2" "$dir/raw"
e2fsck -fn "$dir/raw" >"$dir/out" 2>&1 || fail "the file system is not sound"

# A server that dies is told of; what is asked of it fails, and the machine goes on to its end.
"$source/scripts/guest-initrd" "$dir/initrd" '
insmod /virtio_mmio.ko
insmod /virtio_blk.ko
mkdir /share
mount -t virtiofs share /share || status=1
echo "servers are in use"
while dd if=/dev/vda of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null; do :; done
while cat /share/said >/dev/null 2>/dev/null; do echo 3 >/proc/sys/vm/drop_caches; done
echo "both are gone"
' "$guest/modules/virtio_mmio.ko" "$guest/modules/virtio_blk.ko"
orphan() { # verb and its options
	rm -f "$dir/out"
	"$swtdx" "$@" --kernel "$guest/vmlinuz" --initrd "$dir/initrd" --disk "$dir/a,disk.qcow2" --share "$dir/folder" \
		--append "console=ttyS0 cryptomgr.notests=1 nokaslr nowatchdog panic=-1 quiet" \
		</dev/null >"$dir/out" 2>"$dir/err" &
	machine=$!
	n=0
	until grep -aqs '^servers are in use' "$dir/out" || [ $n -ge 1200 ]; do sleep 0.1 && n=$((n + 1)); done
	# shellcheck disable=SC2046
	kill -9 $(servers)
	wait $machine || fail "$1: exit $? after its servers died"
	grep -aq '^both are gone' "$dir/out" || fail "$1: reads go on"
	[ "$(grep -c 'the server: it has ended: what is asked of it fails' "$dir/err")" = 2 ] || fail "$1: it is not said"
}
orphan host --cpus 2
orphan run --vcpus 2

# Killed, it leaves no server.
rm -f "$dir/out"
"$swtdx" host --kernel "$guest/vmlinuz" --append "console=ttyS0" --disk "$dir/a,disk.qcow2" --share "$dir/folder" \
	</dev/null >"$dir/out" 2>"$dir/err" &
n=0
while [ ! -s "$dir/out" ] && [ $n -lt 600 ]; do sleep 0.1 && n=$((n + 1)); done
[ -n "$(servers)" ] || fail "no server there"
kill -9 $!
n=0
while [ -n "$(servers)" ] && [ $n -lt 600 ]; do sleep 0.1 && n=$((n + 1)); done
[ -z "$(servers)" ] || fail "a server outlives a killed machine"
