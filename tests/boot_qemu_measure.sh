#!/bin/sh
# SPDX-License-Identifier: MIT
# Whole boots of OVMF by an unmodified QEMU, whose MRTD and RTMRs were computed outside: a kernel that QEMU gives to
# the firmware, a disk with systemd-boot and a unified kernel image, and one with shim and GRUB. What a guest shows of
# its platform (fw_cfg, SMBIOS, boot options) is taken out of the guest. Skipped with the reason where QEMU, OVMF and a
# kernel with its modules are not to be had (scripts/qemu-tdx, scripts/guest-kernel; SWTDX_QEMU_TDX,
# SWTDX_GUEST_KERNEL).
# Usage: boot_qemu_measure.sh SWTDX SCRIPTS ATTEST.C
set -u
swtdx=$1 scripts=$2 attest=$3
skip() { echo "boot_qemu_measure: skipped: $*"; exit 77; }
qemu=${SWTDX_QEMU_TDX:-} kernel=${SWTDX_GUEST_KERNEL:-}
[ -n "$qemu" ] || skip "SWTDX_QEMU_TDX names no folder of scripts/qemu-tdx"
[ -x "$qemu/qemu" ] || skip "there is no $qemu/qemu: scripts/qemu-tdx $qemu"
[ -s "$kernel/vmlinuz" ] || skip "SWTDX_GUEST_KERNEL names no folder of scripts/guest-kernel"
for module in tdx-guest qemu_fw_cfg efivarfs; do
	[ -s "$kernel/modules/$module.ko" ] || skip "no module $module in $kernel/modules: scripts/guest-kernel into a new folder"
done
"$qemu/qemu" --version >/dev/null || skip "$qemu/qemu does not start"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "boot_qemu_measure: $*"; cut -c1-200 "$dir/serial" "$dir/log" 2>/dev/null | cat -v | tail -40; exit 1; }
cc -O1 -static -o "$dir/attest" "$attest" || skip "no compiler, or no static C library"

set --
for module in configfs tsm tsm_report tdx-guest qemu_fw_cfg efivarfs; do
	[ ! -s "$kernel/modules/$module.ko" ] || set -- "$@" "$kernel/modules/$module.ko"
done
# Of fw_cfg's files the beginning is enough: the rest of the ACPI tables' is zero, and reading it takes minutes.
sh "$scripts/guest-initrd" "$dir/initrd" '
for m in configfs tsm tsm_report tdx-guest qemu_fw_cfg efivarfs; do [ ! -f /$m.ko ] || insmod /$m.ko; done
mount -t efivarfs efivarfs /sys/firmware/efi/efivars
show() { printf "FILE $1 $2 "; dd if=$3 bs=4096 count=5 2>/dev/null | gzip | base64 | tr -d "\n"; echo; }
echo
printf "REPORT "; /attest -x report
printf "LOG "; /attest -x log
for k in /sys/firmware/qemu_fw_cfg/by_key/*; do
	name=$(cat $k/name)
	case $name in bootorder|etc/*) show $name $(cat $k/size) $k/raw ;; esac
done
show DMI - /sys/firmware/dmi/tables/DMI
for f in /sys/firmware/efi/efivars/Boot[O0]*; do show ${f##*/} - $f; done
' "$dir/attest" "$@" || skip "no initial file system"
append='console=ttyS0,115200 quiet panic=-1'
firmware=$qemu/OVMF.nokeys.fd

# boot [QEMU-OPTION]...: what the guest says is in $dir/REPORT, $dir/LOG and $dir/platform afterwards.
boot() {
	rm -rf "$dir/platform" "$dir/serial"
	"$swtdx" kvm -- "$qemu/qemu" -accel kvm -object tdx-guest,id=tdx0 \
		-machine q35,kernel-irqchip=split,confidential-guest-support=tdx0 -cpu host -m 1G -smp 1 \
		-bios "$firmware" -nodefaults -display none -serial "file:$dir/serial" -monitor none -no-reboot "$@" \
		</dev/null >"$dir/log" 2>&1 || fail "QEMU: exit $?"
	tr -d '\r' <"$dir/serial" >"$dir/text"
	for what in REPORT LOG; do
		sed -n "s/^.*$what \([0-9a-f]*\)\$/\1/p" "$dir/text" >"$dir/$what"
		[ -s "$dir/$what" ] || fail "no $what"
	done
	sed -n 's/^FILE //p' "$dir/text" | while read -r name size data; do
		mkdir -p "$dir/platform/$(dirname "$name")"
		printf %s "$data" | base64 -d | gzip -dc >"$dir/platform/$name"
		[ "$size" = - ] || truncate -s "$size" "$dir/platform/$name"
	done
	[ -s "$dir/platform/etc/acpi/tables" ] && [ -s "$dir/platform/DMI" ] || fail "the guest does not show its platform"
	"$swtdx" eventlog --against "$dir/REPORT" "$dir/LOG" >"$dir/against" || fail "the log is not the registers': $(cat "$dir/against")"
}

# same REGISTER NAME: as computed, and as the TD reports
same() {
	have=$("$swtdx" report "$dir/REPORT" | sed -n "s/^$1  *//p")
	grep -q "^$1  *$have\$" "$dir/expected" || { [ "$1" = rtmr1 ] && grep -q "^or rtmr1  *$have\$" "$dir/expected"; } ||
		fail "$2: $1 is $have, computed: $(grep "^$1\|^or $1" "$dir/expected")"
}

# expect OPTION...: the same without the guest's help first, for what does not depend on it
expect() { "$swtdx" measure --firmware "$firmware" --memory 1024 "$@" >"$dir/expected" || fail "measure: exit $?"; }

expect --boot direct --kernel "$kernel/vmlinuz" --initrd "$dir/initrd" --append "$append"
cp "$dir/expected" "$dir/before"
boot -kernel "$kernel/vmlinuz" -initrd "$dir/initrd" -append "$append"
for register in mrtd rtmr1 rtmr2; do same $register "direct boot, computed before it"; done
expect --boot direct --kernel "$kernel/vmlinuz" --initrd "$dir/initrd" --append "$append" --platform "$dir/platform"
for register in mrtd rtmr0 rtmr1 rtmr2; do same $register "direct boot"; done

sh "$scripts/guest-disk" --gpt "$dir/disk" "$kernel/vmlinuz" "$dir/initrd" "$append" || { echo "no disk: the direct boot alone"; exit 0; }
expect --boot uki --disk "$dir/disk" --disk-at 1.0
boot -drive "file=$dir/disk,format=raw,if=virtio"
for register in mrtd rtmr1 rtmr2; do same $register "boot from a disk, computed before it"; done
# The boot options that follow from the disk's place are those that the guest shows.
rm "$dir"/platform/Boot*
expect --boot uki --disk "$dir/disk" --disk-at 1.0 --platform "$dir/platform"
for register in mrtd rtmr0 rtmr1 rtmr2; do same $register "boot from a disk"; done

# shim and GRUB, under Secure Boot with the firmware's keys: the kernel has to be one that Debian signed.
export SHIM="$qemu/root/usr/lib/shim/shimx64.efi.signed" GRUB="$qemu/root/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
sh "$scripts/guest-disk" --grub "$dir/disk" "$kernel/vmlinuz" "$dir/initrd" "$append" ||
	{ echo "no disk with GRUB: the others alone"; exit 0; }
firmware=$qemu/OVMF.inteltdx.ms.fd
boot -drive "file=$dir/disk,format=raw,if=virtio"
expect --boot grub --disk "$dir/disk" --disk-at 1.0 --kernel "$kernel/vmlinuz" --initrd "$dir/initrd" \
	--append "BOOT_IMAGE=/vmlinuz $append" --platform "$dir/platform"
for register in mrtd rtmr0 rtmr1; do same $register "boot by GRUB under Secure Boot"; done
grep -q "^rtmr2  *not known" "$dir/expected" || same rtmr2 "boot by GRUB under Secure Boot"
echo ok
