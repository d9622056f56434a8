#!/bin/sh
# SPDX-License-Identifier: MIT
# An unmodified QEMU launches OVMF as a TD; OVMF starts a kernel from a virtio disk; Linux mounts the disk, gets an address,
# downloads a file, takes entropy from virtio-rng, reads and writes a folder of the host's (virtio-9p, with a kernel that has it:
# scripts/guest-kernel DIR SUITE amd64), converts memory, gets a quote by configfs-tsm through QEMU's quote-generation-socket,
# which verifies and has the MRTD of the image, reboots, which QEMU does with a new TD, and switches off. Where QEMU and a kernel are not to be had (scripts/qemu-tdx and scripts/guest-kernel
# fetch them into the folders that SWTDX_QEMU_TDX and SWTDX_GUEST_KERNEL name), skipped with the reason.
# Usage: boot_qemu.sh SWTDX SCRIPTS [VCPUS]...      (1 2 4)
# SWTDX_BOOT_LIMIT: seconds that a launch may take on a quiet machine (300). SWTDX_BOOT_MEMORY: QEMU's -m (1G).
# SWTDX_BOOT_APPEND: more words for Linux's command line.
set -u
swtdx=$1 scripts=$2
shift 2
[ $# != 0 ] || set -- 1 2 4
limit=${SWTDX_BOOT_LIMIT:-300}
skip() { echo "boot_qemu: skipped: $*"; exit 77; }
qemu=${SWTDX_QEMU_TDX:-}
[ -n "$qemu" ] || skip "SWTDX_QEMU_TDX names no folder of scripts/qemu-tdx"
[ -x "$qemu/qemu" ] || skip "there is no $qemu/qemu: scripts/qemu-tdx $qemu"
[ -s "$qemu/OVMF.inteltdx.ms.fd" ] || skip "there is no $qemu/OVMF.inteltdx.ms.fd: scripts/qemu-tdx $qemu"
"$qemu/qemu" --version >/dev/null || skip "$qemu/qemu does not start"
dir=$(mktemp -d)
servers=
trap '[ -z "$servers" ] || kill $servers 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 143' TERM # dash runs what is at EXIT for an exit only
fail() { echo "boot_qemu: $*"; cat -v "$dir/serial" 2>/dev/null | tail -30; tail -10 "$dir/log" 2>/dev/null; exit 1; }
start=$(date +%s)
note() { echo "boot_qemu: $(($(date +%s) - start)) s: $*"; }

# How far it is, while it takes long.
watch() {
	while sleep 30 >/dev/null 2>&1; do
		note "... $(tail -c 300 "$dir/serial" 2>/dev/null | tr -d '\000-\011\013-\037' | tail -1 | cut -c1-100)"
	done
}

# launch FIRMWARE VCPUS [QEMU-OPTION]...: the monitor's commands on standard input. It has so much CPU time, however busy
# the machine is, and eight times as much of the clock's.
launch() {
	firmware=$1 vcpus=$2
	shift 2
	rm -f "$dir/ended"
	watch &
	watcher=$!
	(
		ulimit -t "$limit"
		exec timeout -k 10 $((limit * 8)) "$swtdx" kvm -- "$qemu/qemu" -accel kvm \
			-object "$object" -machine q35,kernel-irqchip=split,confidential-guest-support=tdx0 -cpu host \
			-m "${SWTDX_BOOT_MEMORY:-1G}" \
			-smp "$vcpus" -bios "$qemu/$firmware" -nodefaults -display none -serial "file:$dir/serial" \
			-monitor stdio "$@" >"$dir/log" 2>&1
	)
	rc=$?
	: >"$dir/ended"
	kill $watcher
	case $rc in
	124 | 137 | 152) fail "it did not end in $((limit * 8)) s, or $limit s of CPU time" ;;
	esac
	return $rc
}
came_back() {
	! grep -q 'not come back\|not torn down' "$dir/log" || fail "$1: something did not come back"
	! grep -q 'coherency\|swtdx kvm: .*page' "$dir/log" || fail "$1: the machine's memory was not treated well"
}
says() { grep -aq "$1" "$dir/serial" || fail "Linux does not say \"$1\""; }
object=tdx-guest,id=tdx0

# OVMF as Debian has it, with keys: to its boot manager, in QEMU's own sandbox, and off from outside.
{
	i=0
	while [ $i -lt $((limit * 8)) ] && [ ! -e "$dir/ended" ] && ! grep -q 'No bootable option' "$dir/serial" 2>/dev/null; do
		sleep 1
		i=$((i + 1))
	done
	echo 'info registers'
	echo quit
} | launch OVMF.inteltdx.ms.fd 1 -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny || fail "QEMU: exit $?"
grep -q 'No bootable option' "$dir/serial" || fail "OVMF did not come to its boot manager"
came_back OVMF
note "OVMF's boot manager, quit"

kernel=${SWTDX_GUEST_KERNEL:-}
[ -s "$kernel/vmlinuz" ] || { echo "boot_qemu: no kernel (SWTDX_GUEST_KERNEL): OVMF alone"; exit 0; }
modules=
if [ -s "$kernel/modules/devices" ]; then
	modules=$(tr "\n" " " <"$kernel/modules/devices")$(tr "\n" " " <"$kernel/modules/order")
fi
command -v python3 >/dev/null || skip "no python3 for a web server"
mkdir "$dir/www"
head -c 300000 /dev/urandom >"$dir/www/file"
sum=$(md5sum <"$dir/www/file")
(cd "$dir/www" && exec python3 -u -m http.server --bind 127.0.0.1 0 >"$dir/http" 2>&1) &
servers=$!
"$swtdx" quote --state "$dir/state" --serve "$dir/qgs" 2>"$dir/qgs.log" &
servers="$servers $!"
i=0
while [ $i -lt 100 ] && ! grep -qs port "$dir/http"; do
	sleep 0.1
	i=$((i + 1))
done
i=0
while [ $i -lt 100 ] && [ ! -S "$dir/qgs" ]; do
	sleep 0.1
	i=$((i + 1))
done
mrtd=$("$swtdx" measure "$qemu/OVMF.nokeys.fd" | sed -n 's/^mrtd  *//p')
mkdir "$dir/share"
port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' "$dir/http")
cat >"$dir/udhcpc" <<'END'
#!/bin/sh
[ "$1" != bound ] || { ifconfig $interface $ip netmask $subnet; echo "ADDRESS $ip"; }
END
chmod +x "$dir/udhcpc"
cat >"$dir/commands" <<END
echo GUEST-UP \$(grep -c ^processor /proc/cpuinfo)
dmesg | grep -i tdx
dmesg | grep -i 'software IO TLB'
if [ -f /devices ]; then
	for m in \$(cat /devices); do insmod /\$m; done
	mkdir /d
	mount -t vfat /dev/vda /d && cat /d/hello
	ifconfig eth0 up
	udhcpc -i eth0 -n -q -s /udhcpc
	wget -q -O /d/got http://10.0.2.2:$port/file && echo SUM \$(md5sum </d/got)
	echo ENTROPY \$(cat /sys/class/misc/hw_random/rng_current) \$(head -c 32 /dev/hwrng | wc -c)
	rmmod virtio_rng && insmod /virtio-rng.ko && echo AGAIN \$(head -c 32 /dev/hwrng | wc -c)
	echo CCEL \$(wc -c </sys/firmware/acpi/tables/data/CCEL)
	mount -t configfs none /sys/kernel/config && mkdir /sys/kernel/config/tsm/report/r
	head -c 64 /dev/zero >/sys/kernel/config/tsm/report/r/inblob
	echo PROVIDER \$(cat /sys/kernel/config/tsm/report/r/provider)
	cat /sys/kernel/config/tsm/report/r/outblob >/d/quote && echo QUOTE \$(wc -c </d/quote)
	if [ -f /9p.ko ]; then
		mkdir /s && mount -t 9p -o trans=virtio,version=9p2000.L share /s
		echo SHARE \$(cat /s/theirs)
		echo of the guest >/s/ours; umount /s
	fi
	if [ ! -f /d/again ]; then echo first >/d/again; sync; umount /d; echo REBOOTS; reboot -f; fi
	rm /d/again; sync; umount /d
	echo SECOND-BOOT
fi
END
for vcpus; do
	# shellcheck disable=SC2086
	(
		cd "$kernel/modules" && cp $modules "$dir" 2>/dev/null
		cd "$dir" && echo $modules >devices
	)
	files=
	for m in $modules; do files="$files $dir/$m"; done
	[ -z "$modules" ] || files="$files $dir/devices $dir/udhcpc"
	# shellcheck disable=SC2086
	sh "$scripts/guest-initrd" "$dir/initrd" "$(cat "$dir/commands")" $files || skip "no initial file system"
	echo HELLO-DISK >"$dir/hello"
	sh "$scripts/guest-disk" "$dir/disk" "$kernel/vmlinuz" "$dir/initrd" \
		"console=ttyS0,115200 panic=-1 ${SWTDX_BOOT_APPEND:-}" "$dir/hello" || skip "no disk"
	rm -f "$dir/serial" "$dir/share/ours" "$dir/quote"
	echo "of the host, $vcpus" >"$dir/share/theirs"
	object='{"qom-type":"tdx-guest","id":"tdx0","quote-generation-socket":{"type":"unix","path":"'$dir/qgs'"}}'
	launch OVMF.nokeys.fd "$vcpus" -object iothread,id=io0 \
		-drive "file=$dir/disk,format=raw,if=none,id=d0" -device virtio-blk-pci,drive=d0,iothread=io0 \
		-netdev user,id=n0 -device virtio-net-pci,netdev=n0 -device virtio-rng-pci \
		-fsdev "local,id=f0,path=$dir/share,security_model=none" -device virtio-9p-pci,fsdev=f0,mount_tag=share \
		</dev/null || fail "QEMU: exit $?"
	says "GUEST-UP $vcpus"
	says 'tdx: Guest detected'
	case " ${SWTDX_BOOT_APPEND:-} " in *" swiotlb=524288 "*) says 'software IO TLB: mapped .*(1024MB)' ;; esac
	if [ -n "$modules" ]; then
		says HELLO-DISK
		says 'ADDRESS 10.0.2'
		says "SUM ${sum%% *}"
		says 'ENTROPY virtio_rng.0 32'
		says 'AGAIN 32' # what was shared for the device became private and shared again
		says 'CCEL [1-9]'
		says 'PROVIDER tdx_guest'
		says 'QUOTE [1-9]'
		mcopy -n -i "$dir/disk" ::/quote "$dir/quote" || fail "no quote on the disk"
		"$swtdx" report --state "$dir/state" "$dir/quote" >"$dir/verdict" || fail "the quote: $(cat "$dir/verdict")"
		grep -q '^verdict  *verified' "$dir/verdict" || fail "the quote does not verify: $(grep ^verdict "$dir/verdict")"
		grep -q "^mrtd  *$mrtd\$" "$dir/verdict" || fail "the quote's MRTD is not $mrtd"
		case " $modules " in
		*" 9p.ko "*)
			says "SHARE of the host, $vcpus"
			grep -q '^of the guest' "$dir/share/ours" || fail "nothing came through 9p"
			;;
		*) note "no 9p: this kernel has it not" ;;
		esac
		says REBOOTS
		grep -q 'rebuilt with new guest file handle' "$dir/log" || fail "QEMU did not build the TD again"
		says SECOND-BOOT
	fi
	came_back "Linux, $vcpus vCPUs"
	note "Linux with $vcpus vCPUs, ${modules:+rebooted, }off"
done
