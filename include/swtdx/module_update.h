/* SPDX-License-Identifier: MIT */
/* A host's calls of the P-SEAMLDR, and another module in the place of the one there is, while its
 * TDs live. Part of libswtdx-host; for whoever administers the module.
 *
 * The five calls are one SEAMCALL each; RAX is a status of the P-SEAMLDR: SEAMLDR_* of
 * <swtdx/seamldr.h>, in words by tdx_explain_seamldr(); TDX_SEAMCALL_VMFAILINVALID where there is
 * none, or another processor is in it: the caller keeps them apart. Errors and threads otherwise as
 * of <swtdx/host.h>. */
#ifndef SWTDX_MODULE_UPDATE_H
#define SWTDX_MODULE_UPDATE_H

#include <swtdx/host.h>
#include <swtdx/seamldr.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* buffer: TDX_SEAMLDR_INFO_SIZE bytes, aligned so, of which *out is a copy. */
struct tdx_status tdh_seamldr_info(const struct tdx_cpu *cpu, tdx_hpa_t buffer,
				   struct tdx_seamldr_info *out) TDX_MUST_CHECK;
/* On every processor, the same params, and again on every one after SEAMLDR_ENOENTROPY; *lost: the
 * module that was there is no more. */
struct tdx_status tdh_seamldr_install(const struct tdx_cpu *cpu, tdx_hpa_t params,
				      bool *lost) TDX_MUST_CHECK;
struct tdx_status tdh_seamldr_shutdown(const struct tdx_cpu *cpu) TDX_MUST_CHECK;
/* buffer: TDX_SEAMINFO_SIZE bytes, aligned so. */
struct tdx_status tdh_seamldr_seaminfo(const struct tdx_cpu *cpu, tdx_hpa_t buffer) TDX_MUST_CHECK;
/* On every processor; again after SEAMLDR_EINTERRUPT and SEAMLDR_ENOENTROPY. */
struct tdx_status tdh_seamldr_cleanup(const struct tdx_cpu *cpu) TDX_MUST_CHECK;

/* From a file ("TDX blob") of this size to the running module: TDH.SYS.SHUTDOWN, SEAMLDR.INSTALL on
 * every processor, bring-up, TDH.SYS.UPDATE. All processors of the host are there, no vCPU is in
 * its guest and no other call is made meanwhile; TDs, KeyIDs and PAMTs stay as they were. *info:
 * the module's before, then the new one's.
 *
 * -EINVAL: no such file; -ENOMEM. Nothing has happened then. -EIO: refused, the status and its call
 * are in tdx_host_last_status() and tdx_host_last_leaf() or, of the P-SEAMLDR, in *refused
 * (else success); once TDH.SYS.SHUTDOWN is through the module cannot be called any more. -ENXIO: a
 * processor is not there. */
int tdx_host_update_from(struct tdx_host *host, const void *image, size_t size,
			 const struct tdx_host_allocator *mem, struct tdx_host_info *info,
			 struct tdx_status *refused) TDX_MUST_CHECK;

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
