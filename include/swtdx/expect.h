/* SPDX-License-Identifier: MIT */
/* Expected values of usual boots: the events OVMF, a loader and Linux's EFI stub will measure, and
 * the RTMRs they make, computed from files without a machine.
 *
 * Only what follows from the inputs has a digest. An event whose input was not given stands in the
 * list without one, with what is missing, and its register has no value: a wrong expectation is
 * worse than none. Reentrant. Errors: 0 or a negative errno; -EINVAL comes with a sentence.
 *
 * Source: edk2 OvmfPkg (TdTcg2Dxe, PeilessStartupLib, QemuKernelLoaderFsDxe), Linux
 * drivers/firmware/efi/libstub, Microsoft's Authenticode specification, systemd-stub(7), edk2
 * MdeModulePkg (SmbiosMeasurementDxe); published event logs, and those of whole boots under
 * QEMU 11.
 */
#ifndef SWTDX_EXPECT_H
#define SWTDX_EXPECT_H

#include <swtdx/disk.h>
#include <swtdx/measure.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct tdx_expect_bytes {
	const void *p; /* NULL: not given */
	size_t len;
};

/* How OVMF and QEMU start a kernel. */
enum tdx_expect_ovmf {
	TDX_EXPECT_OVMF_NEW, /* edk2-stable202505, QEMU 10.1 and later: the kernel's file as it is,
			    and "initrd=initrd " before the command line */
	TDX_EXPECT_OVMF_OLD, /* before: QEMU changes the kernel's setup header, and " initrd=initrd"
			    stands after the command line */
};

enum tdx_expect_boot {
	TDX_EXPECT_DIRECT, /* QEMU's -kernel, -initrd, -append */
	TDX_EXPECT_UKI,	   /* a unified kernel image that the firmware starts from a disk */
	TDX_EXPECT_GRUB,   /* shim, GRUB, a kernel that GRUB starts by its EFI stub */
};

/* A file that QEMU gives or that a guest of the same configuration shows: "etc/acpi/tables" and the
 * other names of fw_cfg, "DMI" (SMBIOS, /sys/firmware/dmi/tables), "BootOrder", "Boot0000", ... as
 * /sys/firmware/efi/efivars has them, with four bytes of attributes before the value. */
struct tdx_expect_file {
	const char *name;
	struct tdx_expect_bytes bytes;
};

struct tdx_expect_inputs {
	enum tdx_expect_boot boot;
	enum tdx_expect_ovmf ovmf;
	/* kernel may be missing where the disk has it */
	struct tdx_expect_bytes firmware, kernel, initrd;
	/* The firmware's compressed volumes, unpacked, one after the other: which drivers a build
	 * has says what it measures. */
	struct tdx_expect_bytes unpacked;
	const char *append;
	uint64_t memory; /* of the TD, in bytes; 0: not given */
	const struct tdx_expect_file *platform;
	size_t nplatform;
	const struct tdx_disk *disk; /* NULL: not given */
	/* Where the disk's controller is, for its boot option: devices and functions from the root
	 * bridge on, as "1.0" or "2.0/0.0"; NULL: not given. */
	const char *disk_at;
	struct tdx_expect_bytes shim, grub; /* as they are on the disk */
};

struct tdx_expect_event {
	unsigned rtmr;
	const char *type; /* "EV_EFI_ACTION", ... */
	char what[112];
	bool known;
	struct tdx_digest digest;
	const char *from; /* of what the digest is, or what is missing */
};

#define TDX_EXPECT_EVENTS 96

struct tdx_expect {
	size_t nevents;
	struct tdx_expect_event event[TDX_EXPECT_EVENTS];
	bool known[3]; /* RTMR 0 to 2: every event is */
	struct tdx_digest rtmr[3];
	/* RTMR 1 where Linux had to leave the firmware twice: the map of the memory had changed
	 * meanwhile, as a timer of the firmware's may do, and that is measured too. */
	struct tdx_digest retried;
	struct tdx_digest mrtd; /* in page order, as QEMU under Linux adds it */
};

#define TDX_EXPECT_ERROR_TEXT 192

int tdx_expect_boot(const struct tdx_expect_inputs *in, struct tdx_expect *out,
		    char err[TDX_EXPECT_ERROR_TEXT]);

/* Authenticode digest of a PE image, as firmware measures it. -EINVAL: not a PE image, or one whose
 * headers lead out of it. */
int tdx_pe_authenticode(const void *image, size_t len, struct tdx_digest *out);

/* A section of a PE image by its name; NULL. The length is that in memory, as systemd-stub measures
 * it, as far as the file goes. */
const void *tdx_pe_section(const void *image, size_t len, const char *name, size_t *size);

/* SMBIOS structures as firmware measures them, in place: serial numbers, what the owner wrote and
 * what changes from boot to boot are blanks. The length that is measured; 0: not such structures.
 */
size_t tdx_smbios_filter(void *tables, size_t len);

/* A variable in a firmware's configuration volume (authenticated variables, UEFI PI); NULL: it is
 * not there. guid in UEFI's byte order. */
const void *tdx_varstore_find(const void *volume, size_t len, const uint8_t guid[16],
			      const char *name, size_t *size);

/* The TD HOB as QEMU builds it for a TD of this much memory, into out; its length without the end
 * of the list, which is what is measured. -EINVAL: no room, or an image without a TD HOB. */
int tdx_qemu_hob(const struct tdx_tdvf *tdvf, uint64_t memory, uint8_t *out, size_t cap,
		 size_t *len);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
