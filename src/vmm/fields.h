/* SPDX-License-Identifier: MIT */
/* Metadata fields of a vCPU that the monitor writes. */
#ifndef VMM_FIELDS_H
#define VMM_FIELDS_H

#include "abi/metadata.h"

/* A 64-bit field of the TD VMCS by its encoding. */
#define VP_FIELD_VMCS_64(encoding)                                                                 \
	((uint64_t)MD_CTX_VP << 52 | (uint64_t)MD_VP_CLASS_VMCS << 56 | 3ull << 32 | (encoding))

#define VP_FIELD_VMCS_32(encoding)                                                                 \
	((uint64_t)MD_CTX_VP << 52 | (uint64_t)MD_VP_CLASS_VMCS << 56 | 2ull << 32 | (encoding))
#define VP_FIELD_VMCS_16(encoding)                                                                 \
	((uint64_t)MD_CTX_VP << 52 | (uint64_t)MD_VP_CLASS_VMCS << 56 | 1ull << 32 | (encoding))

/* The same of an L2 VM's VMCS, 1 to 3. */
#define VP_FIELD_L2_VMCS_64(l2, encoding)                                                          \
	(VP_FIELD_VMCS_64(encoding) + ((MD_VP_CLASS_L2_VMCS_1 + 8ull * ((l2)-1)) << 56))

/* VM_CTLS of a VM, of the TD's fields (abi/metadata_td.def). */
#define VM_CTLS_EPT_VIOLATION_ON_L2_WALK (1ull << 0)

#endif
