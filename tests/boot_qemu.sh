#!/bin/sh
# SPDX-License-Identifier: MIT
# An unmodified QEMU launches OVMF as a TD; OVMF starts a kernel from a virtio disk. Where they are not to be had (they are
# fetched by scripts/qemu-tdx and scripts/guest-kernel into the folders that SWTDX_QEMU_TDX and SWTDX_GUEST_KERNEL name),
# skipped with the reason. Usage: boot_qemu.sh SWTDX SCRIPTS
set -u
swtdx=$1 scripts=$2
skip() { echo "boot_qemu: skipped: $*"; exit 77; }
qemu=${SWTDX_QEMU_TDX:-}
[ -n "$qemu" ] || skip "SWTDX_QEMU_TDX names no folder of scripts/qemu-tdx"
[ -x "$qemu/qemu" ] || skip "there is no $qemu/qemu: scripts/qemu-tdx $qemu"
"$qemu/qemu" --version >/dev/null || skip "$qemu/qemu does not start"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "boot_qemu: $*"; cat -v "$dir/serial" "$dir/log" 2>/dev/null | tail -40; exit 1; }

# launch FIRMWARE VCPUS [QEMU-OPTION]...: the monitor's commands on standard input
launch() {
	firmware=$1 vcpus=$2
	shift 2
	"$swtdx" kvm -- "$qemu/qemu" -accel kvm -object tdx-guest,id=tdx0 \
		-machine q35,kernel-irqchip=split,confidential-guest-support=tdx0 -cpu host -m 1G -smp "$vcpus" \
		-bios "$qemu/$firmware" -nodefaults -display none -serial "file:$dir/serial" -monitor stdio "$@" \
		>"$dir/log" 2>&1
}
came_back() { ! grep -q 'not come back\|not torn down' "$dir/log" || fail "$1: something did not come back"; }

# OVMF as Debian has it, with keys: to its boot manager, and off from outside.
{
	i=0
	while [ $i -lt 600 ] && ! grep -q 'No bootable option' "$dir/serial" 2>/dev/null; do
		sleep 1
		i=$((i + 1))
	done
	echo quit
} | launch OVMF.inteltdx.ms.fd 1 || fail "QEMU: exit $?"
grep -q 'No bootable option' "$dir/serial" || fail "OVMF did not come to its boot manager"
came_back OVMF

kernel=${SWTDX_GUEST_KERNEL:-}
[ -s "$kernel/vmlinuz" ] || { echo "boot_qemu: no kernel (SWTDX_GUEST_KERNEL): OVMF alone"; exit 0; }
sh "$scripts/guest-initrd" "$dir/initrd" 'echo GUEST-UP $(grep -c ^processor /proc/cpuinfo); dmesg | grep -i tdx' ||
	skip "no initial file system"
sh "$scripts/guest-disk" "$dir/disk" "$kernel/vmlinuz" "$dir/initrd" 'console=ttyS0,115200 panic=-1' || skip "no disk"
for vcpus in 1 2; do
	rm -f "$dir/serial"
	launch OVMF.nokeys.fd $vcpus -no-reboot -drive "file=$dir/disk,format=raw,if=virtio" \
		-nic user,model=virtio-net-pci </dev/null || fail "QEMU: exit $?"
	grep -q "GUEST-UP $vcpus" "$dir/serial" || fail "Linux did not start with $vcpus vCPUs"
	grep -q 'tdx: Guest detected' "$dir/serial" || fail "Linux does not know that it is a TD"
	came_back "Linux, $vcpus vCPUs"
done
