/* SPDX-License-Identifier: MIT */
/* Completion status: what the TDX module leaves in RAX, as codes, operand ids and questions.
 *
 * ABI: "Function Completion Status" (module 1.5.25). RAX is
 *
 *	63 error   62 non-recoverable   61 fatal   60 host-recoverability hint   59:48 zero
 *	47:40 class   39:32 name within the class   31:0 details (operand id, number, exit reason)
 *
 * A code below is bits 63:32; details are OR-ed in by whoever reports it. The names, their kinds of
 * details and the words for people are in tables behind tdx_status_name() and tdx_status_format().
 *
 * Compare by class of status, never by exact value: a conflict on the Secure-EPT comes as
 * OPERAND_BUSY with any of several operands.
 *
 *	struct tdx_status s = tdh_mem_page_aug(...);
 *	if (tdx_is_busy(s))
 *		kick_vcpus_and_try_again();
 *	else if (tdx_is_error(s))
 *		log("AUG failed: %s", tdx_status_format(s, buf, sizeof(buf)));
 *
 * Pure functions of their arguments: any thread, no allocation, freestanding, usable from C++. */
#ifndef SWTDX_STATUS_H
#define SWTDX_STATUS_H

#include <swtdx/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define TDX_STATUS_ERROR	    (1ull << 63)
#define TDX_STATUS_NON_RECOVERABLE  (1ull << 62)
#define TDX_STATUS_FATAL	    (1ull << 61)
#define TDX_STATUS_HOST_RECOVERABLE (1ull << 60)
#define TDX_STATUS_CODE_MASK	    0xffffffff00000000ull

/* Completion status codes, in order of value. */
#define TDX_SUCCESS				  0x0000000000000000ull
#define TDX_PAGE_ALREADY_FREE			  0x0000030100000000ull
#define TDX_KEY_CONFIGURED			  0x0000081500000000ull
#define TDX_NO_HKID_READY_TO_WBCACHE		  0x0000082100000000ull
#define TDX_TDMR_ALREADY_INITIALIZED		  0x00000a0300000000ull
#define TDX_GPA_RANGE_ALREADY_BLOCKED		  0x00000b0700000000ull
#define TDX_PAGE_ALREADY_ACCEPTED		  0x00000b0a00000000ull
#define TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT	  0x00000c0b00000000ull
#define TDX_METADATA_FIELD_SKIP			  0x00000c0c00000000ull
#define TDX_ALREADY_WRITE_BLOCKED		  0x00000e0300000000ull
#define TDX_L2_EXIT_HOST_ROUTED_ASYNC		  0x0000110000000000ull
#define TDX_L2_EXIT_HOST_ROUTED_TDVMCALL	  0x0000110100000000ull
#define TDX_L2_EXIT_PENDING_INTERRUPT		  0x0000110200000000ull
#define TDX_PENDING_INTERRUPT			  0x0000112000000000ull
#define TDX_TD_EXIT_BEFORE_L2_ENTRY		  0x0000114000000000ull
#define TDX_TD_EXIT_ON_L2_VM_EXIT		  0x0000114100000000ull
#define TDX_TD_EXIT_ON_L2_TO_L1			  0x0000114200000000ull
#define TDX_NON_RECOVERABLE_VCPU		  0x4000000100000000ull
#define TDX_NON_RECOVERABLE_TD			  0x6000000200000000ull
#define TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE	  0x6000000500000000ull
#define TDX_NON_RECOVERABLE_TD_CORRUPTED_MD	  0x6000000a00000000ull
#define TDX_INTERRUPTED_RESUMABLE		  0x8000000300000000ull
#define TDX_INTERRUPTED_RESTARTABLE		  0x8000000400000000ull
#define TDX_CROSS_TD_FAULT			  0x8000000800000000ull
#define TDX_OPERAND_BUSY			  0x8000020000000000ull
#define TDX_PREVIOUS_TLB_EPOCH_BUSY		  0x8000020100000000ull
#define TDX_SYS_BUSY				  0x8000020200000000ull
#define TDX_RND_NO_ENTROPY			  0x8000020300000000ull
#define TDX_OPERAND_BUSY_HOST_PRIORITY		  0x8000020400000000ull
#define TDX_INTERRUPTED_BUSY			  0x8000020600000000ull
#define TDX_INTERRUPTED_PAMT			  0x8000030700000000ull
#define TDX_MISSING_PAMT_PAGE_PAIR		  0x8000030800000000ull
#define TDX_UPDATE_COMPATIBILITY_SENSITIVE	  0x8000051200000000ull
#define TDX_VCPU_ASSOCIATED			  0x8000070100000000ull
#define TDX_VCPU_NOT_ASSOCIATED			  0x8000070200000000ull
#define TDX_KEY_GENERATION_FAILED		  0x8000080000000000ull
#define TDX_TD_KEYS_NOT_CONFIGURED		  0x8000081000000000ull
#define TDX_WBCACHE_NOT_COMPLETE		  0x8000081700000000ull
#define TDX_FLUSHVP_NOT_DONE			  0x8000082400000000ull
#define TDX_L2_VM_ENTRY_FAILED			  0x8000110300000000ull
#define TDX_CROSS_TD_TRAP			  0x9000000900000000ull
#define TDX_HOST_PRIORITY_BUSY_TIMEOUT		  0x9000020500000000ull
#define TDX_INVALID_RESUMPTION			  0xc000000600000000ull
#define TDX_OPERAND_INVALID			  0xc000010000000000ull
#define TDX_OPERAND_ADDR_RANGE_ERROR		  0xc000010100000000ull
#define TDX_EVENT_FILTER_INVALID		  0xc000010200000000ull
#define TDX_EVENT_FILTER_ORDER_INVALID		  0xc000010300000000ull
#define TDX_PAGE_METADATA_INCORRECT		  0xc000030000000000ull
#define TDX_PAGE_NOT_OWNED_BY_TD		  0xc000030200000000ull
#define TDX_PAGE_NOT_FREE			  0xc000030300000000ull
#define TDX_HPA_RANGE_NOT_FREE			  0xc000030400000000ull
#define TDX_NO_PAMT_PAGE_PAIR			  0xc000030500000000ull
#define TDX_PAMT_PAGE_NOT_EMPTY			  0xc000030600000000ull
#define TDX_TD_ASSOCIATED_PAGES_EXIST		  0xc000040000000000ull
#define TDX_SYS_INIT_NOT_PENDING		  0xc000050000000000ull
#define TDX_SYS_LP_INIT_NOT_DONE		  0xc000050200000000ull
#define TDX_SYS_LP_INIT_DONE			  0xc000050300000000ull
#define TDX_SYS_NOT_READY			  0xc000050500000000ull
#define TDX_SYS_SHUTDOWN			  0xc000050600000000ull
#define TDX_SYS_KEY_CONFIG_NOT_PENDING		  0xc000050700000000ull
#define TDX_SYS_STATE_INCORRECT			  0xc000050800000000ull
#define TDX_SYS_INVALID_HANDOFF			  0xc000050900000000ull
#define TDX_SYS_INCOMPATIBLE_SIGSTRUCT		  0xc000050a00000000ull
#define TDX_SYS_LP_INIT_NOT_PENDING		  0xc000050b00000000ull
#define TDX_SYS_CONFIG_NOT_PENDING		  0xc000050c00000000ull
#define TDX_INCOMPATIBLE_SEAM_CAPABILITIES	  0xc000050d00000000ull
#define TDX_CRYPTO_SELF_TEST_FAILED		  0xc000051100000000ull
#define TDX_TD_NON_DEBUG			  0xc000060500000000ull
#define TDX_TDCS_NOT_ALLOCATED			  0xc000060600000000ull
#define TDX_LIFECYCLE_STATE_INCORRECT		  0xc000060700000000ull
#define TDX_OP_STATE_INCORRECT			  0xc000060800000000ull
#define TDX_NO_VCPUS				  0xc000060900000000ull
#define TDX_TDCX_NUM_INCORRECT			  0xc000061000000000ull
#define TDX_X2APIC_ID_NOT_UNIQUE		  0xc000062100000000ull
#define TDX_INCOMPATIBLE_MRTD_CONTEXT		  0xc000062200000000ull
#define TDX_VCPU_STATE_INCORRECT		  0xc000070000000000ull
#define TDX_NO_VALID_VE_INFO			  0xc000070400000000ull
#define TDX_MAX_VCPUS_EXCEEDED			  0xc000070500000000ull
#define TDX_TSC_ROLLBACK			  0xc000070600000000ull
#define TDX_INTERRUPTIBILITY_BLOCKED		  0xc000070700000000ull
#define TDX_TD_VMCS_FIELD_NOT_INITIALIZED	  0xc000073000000000ull
#define TD_VMCS_FIELD_ERROR			  0xc000073100000000ull
#define TDX_KEY_STATE_INCORRECT			  0xc000081100000000ull
#define TDX_HKID_NOT_FREE			  0xc000082000000000ull
#define TDX_WBCACHE_RESUME_ERROR		  0xc000082300000000ull
#define TDX_NUM_ACTIVATED_HKIDS_NOT_SUPPORTED	  0xc000082500000000ull
#define TDX_INCORRECT_CPUID_VALUE		  0xc000090000000000ull
#define TDX_LIMIT_CPUID_MAXVAL_SET		  0xc000090100000000ull
#define TDX_INCONSISTENT_CPUID_FIELD		  0xc000090200000000ull
#define TDX_CPUID_MAX_SUBLEAVES_UNRECOGNIZED	  0xc000090300000000ull
#define TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED	  0xc000090400000000ull
#define TDX_INVALID_WBINVD_SCOPE		  0xc000090500000000ull
#define TDX_INVALID_PKG_ID			  0xc000090600000000ull
#define TDX_ENABLE_MONITOR_FSM_NOT_SET		  0xc000090700000000ull
#define TDX_CPUID_LEAF_NOT_SUPPORTED		  0xc000090800000000ull
#define TDX_SMRR_NOT_LOCKED			  0xc000091000000000ull
#define TDX_INVALID_SMRR_CONFIGURATION		  0xc000091100000000ull
#define TDX_SMRR_OVERLAPS_CMR			  0xc000091200000000ull
#define TDX_SMRR_LOCK_NOT_SUPPORTED		  0xc000091300000000ull
#define TDX_SMRR_NOT_SUPPORTED			  0xc000091400000000ull
#define TDX_INCONSISTENT_MSR			  0xc000092000000000ull
#define TDX_INCORRECT_MSR_VALUE			  0xc000092100000000ull
#define TDX_SEAMREPORT_NOT_AVAILABLE		  0xc000093000000000ull
#define TDX_SEAMDB_GETREF_NOT_AVAILABLE		  0xc000093100000000ull
#define TDX_SEAMDB_REPORT_NOT_AVAILABLE		  0xc000093200000000ull
#define TDX_SEAMVERIFYREPORT_NOT_AVAILABLE	  0xc000093300000000ull
#define TDX_INVALID_TDMR			  0xc0000a0000000000ull
#define TDX_NON_ORDERED_TDMR			  0xc0000a0100000000ull
#define TDX_TDMR_OUTSIDE_CMRS			  0xc0000a0200000000ull
#define TDX_INVALID_PAMT			  0xc0000a1000000000ull
#define TDX_PAMT_OUTSIDE_CMRS			  0xc0000a1100000000ull
#define TDX_PAMT_OVERLAP			  0xc0000a1200000000ull
#define TDX_INVALID_RESERVED_IN_TDMR		  0xc0000a2000000000ull
#define TDX_NON_ORDERED_RESERVED_IN_TDMR	  0xc0000a2100000000ull
#define TDX_CMR_LIST_INVALID			  0xc0000a2200000000ull
#define TDX_EPT_WALK_FAILED			  0xc0000b0000000000ull
#define TDX_EPT_ENTRY_FREE			  0xc0000b0100000000ull
#define TDX_EPT_ENTRY_NOT_FREE			  0xc0000b0200000000ull
#define TDX_EPT_ENTRY_NOT_PRESENT		  0xc0000b0300000000ull
#define TDX_EPT_ENTRY_NOT_LEAF			  0xc0000b0400000000ull
#define TDX_EPT_ENTRY_LEAF			  0xc0000b0500000000ull
#define TDX_GPA_RANGE_NOT_BLOCKED		  0xc0000b0600000000ull
#define TDX_TLB_TRACKING_NOT_DONE		  0xc0000b0800000000ull
#define TDX_EPT_INVALID_PROMOTE_CONDITIONS	  0xc0000b0900000000ull
#define TDX_PAGE_SIZE_MISMATCH			  0xc0000b0b00000000ull
#define TDX_GPA_RANGE_BLOCKED			  0xc0000b0c00000000ull
#define TDX_EPT_ENTRY_STATE_INCORRECT		  0xc0000b0d00000000ull
#define TDX_EPT_PAGE_NOT_FREE			  0xc0000b0e00000000ull
#define TDX_L2_SEPT_WALK_FAILED			  0xc0000b0f00000000ull
#define TDX_L2_SEPT_ENTRY_NOT_FREE		  0xc0000b1000000000ull
#define TDX_PAGE_ATTR_INVALID			  0xc0000b1100000000ull
#define TDX_L2_SEPT_PAGE_NOT_PROVIDED		  0xc0000b1200000000ull
#define TDX_METADATA_FIELD_ID_INCORRECT		  0xc0000c0000000000ull
#define TDX_METADATA_FIELD_NOT_WRITABLE		  0xc0000c0100000000ull
#define TDX_METADATA_FIELD_NOT_READABLE		  0xc0000c0200000000ull
#define TDX_METADATA_FIELD_VALUE_NOT_VALID	  0xc0000c0300000000ull
#define TDX_METADATA_LIST_OVERFLOW		  0xc0000c0400000000ull
#define TDX_INVALID_METADATA_LIST_HEADER	  0xc0000c0500000000ull
#define TDX_REQUIRED_METADATA_FIELD_MISSING	  0xc0000c0600000000ull
#define TDX_METADATA_ELEMENT_SIZE_INCORRECT	  0xc0000c0700000000ull
#define TDX_METADATA_LAST_ELEMENT_INCORRECT	  0xc0000c0800000000ull
#define TDX_METADATA_FIELD_CURRENTLY_NOT_WRITABLE 0xc0000c0900000000ull
#define TDX_METADATA_WR_MASK_NOT_VALID		  0xc0000c0a00000000ull
#define TDX_VIRTUAL_MSR_VALUE_NOT_VALID		  0xc0000c0d00000000ull
#define TDX_METADATA_FIELD_NOT_ALLOCATED	  0xc0000c0e00000000ull
#define TDX_SERVTD_ALREADY_BOUND_FOR_TYPE	  0xc0000d0000000000ull
#define TDX_SERVTD_TYPE_MISMATCH		  0xc0000d0100000000ull
#define TDX_SERVTD_ATTR_MISMATCH		  0xc0000d0200000000ull
#define TDX_SERVTD_INFO_HASH_MISMATCH		  0xc0000d0300000000ull
#define TDX_SERVTD_UUID_MISMATCH		  0xc0000d0400000000ull
#define TDX_SERVTD_NOT_BOUND			  0xc0000d0500000000ull
#define TDX_SERVTD_BOUND			  0xc0000d0600000000ull
#define TDX_TARGET_UUID_MISMATCH		  0xc0000d0700000000ull
#define TDX_TARGET_UUID_UPDATED			  0xc0000d0800000000ull
#define TDX_INVALID_MBMD			  0xc0000e0000000000ull
#define TDX_INCORRECT_MBMD_MAC			  0xc0000e0100000000ull
#define TDX_NOT_WRITE_BLOCKED			  0xc0000e0200000000ull
#define TDX_NOT_EXPORTED			  0xc0000e0400000000ull
#define TDX_MIGRATION_STREAM_STATE_INCORRECT	  0xc0000e0500000000ull
#define TDX_MAX_MIGS_NUM_EXCEEDED		  0xc0000e0600000000ull
#define TDX_EXPORTED_DIRTY_PAGES_REMAIN		  0xc0000e0700000000ull
#define TDX_MIGRATION_DECRYPTION_KEY_NOT_SET	  0xc0000e0800000000ull
#define TDX_TD_NOT_MIGRATABLE			  0xc0000e0900000000ull
#define TDX_PREVIOUS_EXPORT_CLEANUP_INCOMPLETE	  0xc0000e0a00000000ull
#define TDX_NUM_MIGS_HIGHER_THAN_CREATED	  0xc0000e0b00000000ull
#define TDX_IMPORT_MISMATCH			  0xc0000e0c00000000ull
#define TDX_MIGRATION_EPOCH_OVERFLOW		  0xc0000e0d00000000ull
#define TDX_MAX_EXPORTS_EXCEEDED		  0xc0000e0e00000000ull
#define TDX_INVALID_PAGE_MAC			  0xc0000e0f00000000ull
#define TDX_MIGRATED_IN_CURRENT_EPOCH		  0xc0000e1000000000ull
#define TDX_DISALLOWED_IMPORT_OVER_REMOVED	  0xc0000e1100000000ull
#define TDX_SOME_VCPUS_NOT_MIGRATED		  0xc0000e1200000000ull
#define TDX_ALL_VCPUS_IMPORTED			  0xc0000e1300000000ull
#define TDX_MIN_MIGS_NOT_CREATED		  0xc0000e1400000000ull
#define TDX_VCPU_ALREADY_EXPORTED		  0xc0000e1500000000ull
#define TDX_INVALID_MIGRATION_DECRYPTION_KEY	  0xc0000e1600000000ull
#define TDX_INCOMPATIBLE_MBMD_MAC_CONTEXT	  0xc0000e2200000000ull
#define TDX_INVALID_CPUSVN			  0xc000100000000000ull
#define TDX_INVALID_REPORTMACSTRUCT		  0xc000100100000000ull
#define TDX_GLA_NOT_CANONICAL			  0xc000116000000000ull
#define TDX_NON_RECOVERABLE_TD_WRONG_APIC_MODE	  0xe000000700000000ull
#define TDX_TD_FATAL				  0xe000060400000000ull

/* What the module holds in place of a status before it has one. Never returned; the 183rd name. */
#define TDX_UNINITIALIZE_ERROR 0xffffffffffffffffull

/* What a host's call instruction reports when the module never ran: chosen by host software, after
 * Linux. A status is one of these only when every bit of the mask is set; bit 63 alone is any
 * error of the module. */
#define TDX_SW_ERROR_MASK	   0x8000ff0000000000ull
#define TDX_SEAMCALL_VMFAILINVALID 0x8000ff00ffff0000ull
#define TDX_SEAMCALL_GP		   0x8000ff000000000dull
#define TDX_SEAMCALL_UD		   0x8000ff0000000006ull

/* Operand ids: what the details of an operand error name. The first sixteen are the general
 * registers in x86 encoding order. */
enum tdx_operand {
	TDX_OPERAND_ID_RAX = 0,
	TDX_OPERAND_ID_RCX = 1,
	TDX_OPERAND_ID_RDX = 2,
	TDX_OPERAND_ID_RBX = 3,
	TDX_OPERAND_ID_RBP = 5,
	TDX_OPERAND_ID_RSI = 6,
	TDX_OPERAND_ID_RDI = 7,
	TDX_OPERAND_ID_R8 = 8,
	TDX_OPERAND_ID_R9 = 9,
	TDX_OPERAND_ID_R10 = 10,
	TDX_OPERAND_ID_R11 = 11,
	TDX_OPERAND_ID_R12 = 12,
	TDX_OPERAND_ID_R13 = 13,
	TDX_OPERAND_ID_R14 = 14,
	TDX_OPERAND_ID_R15 = 15,
	TDX_OPERAND_ID_ATTRIBUTES = 0x40,
	TDX_OPERAND_ID_XFAM = 0x41,
	TDX_OPERAND_ID_EXEC_CONTROLS = 0x42,
	TDX_OPERAND_ID_EPTP_CONTROLS = 0x43,
	TDX_OPERAND_ID_MAX_VCPUS = 0x44,
	TDX_OPERAND_ID_CPUID_CONFIG = 0x45,
	TDX_OPERAND_ID_TSC_FREQUENCY = 0x46,
	TDX_OPERAND_ID_NUM_L2_VMS = 0x47,
	TDX_OPERAND_ID_IA32_ARCH_CAPABILITIES_CONFIG = 0x48,
	TDX_OPERAND_ID_PAGE = 0x5f,
	TDX_OPERAND_ID_TDMR_INFO_PA = 0x60,
	TDX_OPERAND_ID_GPA_LIST_ENTRY = 0x61,
	TDX_OPERAND_ID_MIG_BUFF_LIST_ENTRY = 0x62,
	TDX_OPERAND_ID_NEW_PAGE_LIST_ENTRY = 0x63,
	TDX_OPERAND_ID_TDR = 0x80,
	TDX_OPERAND_ID_TDCX = 0x81,
	TDX_OPERAND_ID_TDVPR = 0x82,
	TDX_OPERAND_ID_REG_PAGE = 0x84,
	TDX_OPERAND_ID_TDCS = 0x90,
	TDX_OPERAND_ID_TDVPS = 0x91,
	TDX_OPERAND_ID_SEPT_TREE = 0x92,
	TDX_OPERAND_ID_SEPT_ENTRY = 0x93,
	TDX_OPERAND_ID_RTMR = 0xa8,
	TDX_OPERAND_ID_TD_EPOCH = 0xa9,
	TDX_OPERAND_ID_L2_VAPIC_GPA = 0xaa,
	TDX_OPERAND_ID_MIGSC = 0xab,
	TDX_OPERAND_ID_OP_STATE = 0xac,
	TDX_OPERAND_ID_MIG = 0xad,
	TDX_OPERAND_ID_SERVTD_BINDINGS = 0xae,
	TDX_OPERAND_ID_METADATA_FIELD = 0xb0,
	TDX_OPERAND_ID_NUM_VCPUS = 0xb1,
	TDX_OPERAND_ID_CPUID_FIXED0_BITMAP = 0xb2,
	TDX_OPERAND_ID_SYS = 0xb8,
	TDX_OPERAND_ID_TDMR = 0xb9,
	TDX_OPERAND_ID_KOT = 0xba,
	TDX_OPERAND_ID_KET = 0xbb,
	TDX_OPERAND_ID_WBCACHE = 0xbc,
};

/* What the details of a status mean. */
enum tdx_details_kind {
	TDX_DETAILS_NONE,	 /* zero */
	TDX_DETAILS_OPERAND,	 /* enum tdx_operand */
	TDX_DETAILS_EXIT_REASON, /* VMX exit reason of a TD exit */
	TDX_DETAILS_OP_STATE,	 /* enum tdx_op_state */
	TDX_DETAILS_VCPU_STATE,	 /* enum tdx_vcpu_state */
	TDX_DETAILS_MSR,	 /* MSR number */
	TDX_DETAILS_CPUID_LEAF,	 /* CPUID leaf number */
	TDX_DETAILS_X2APIC_ID,	 /* x2APIC id */
	TDX_DETAILS_INDEX,	 /* index of the offending element */
	TDX_DETAILS_COUNT,	 /* a limit */
	TDX_DETAILS_BYTES,	 /* four bytes, the first in bits 7:0 */
	TDX_DETAILS_PAIR,	 /* bits 31:16 and 15:0: VM and level, or all ones and an index */
};

/* One known code. Static; never freed. */
struct tdx_status_info {
	const char *name;
	uint64_t code;
	enum tdx_details_kind details;
};

static inline struct tdx_status tdx_error(uint64_t code)
{
	return tdx_status(code);
}

/* A code with a number in its details: an index, a state, an MSR. */
static inline struct tdx_status tdx_error_num(uint64_t code, uint32_t details)
{
	return tdx_status((code & TDX_STATUS_CODE_MASK) | details);
}

static inline struct tdx_status tdx_error_op(uint64_t code, enum tdx_operand op)
{
	return tdx_error_num(code, (uint32_t)op);
}

/* A code with four bytes of details, as the TDMR checks of TDH.SYS.CONFIG report them. */
static inline struct tdx_status tdx_error_bytes(uint64_t code, uint8_t b0, uint8_t b1, uint8_t b2,
						uint8_t b3)
{
	return tdx_error_num(code, (uint32_t)b0 | (uint32_t)b1 << 8 | (uint32_t)b2 << 16 |
					   (uint32_t)b3 << 24);
}

/* The same with two halves; "high" goes to bits 31:16. */
static inline struct tdx_status tdx_error_pair(uint64_t code, uint16_t high, uint16_t low)
{
	return tdx_error_num(code, (uint32_t)high << 16 | low);
}

static inline struct tdx_status tdx_success(void)
{
	return tdx_status(TDX_SUCCESS);
}

static inline uint64_t tdx_code(struct tdx_status s)
{
	return s.raw & TDX_STATUS_CODE_MASK;
}

static inline uint32_t tdx_details(struct tdx_status s)
{
	return (uint32_t)s.raw;
}

static inline enum tdx_operand tdx_operand(struct tdx_status s)
{
	return (enum tdx_operand)tdx_details(s);
}

static inline unsigned tdx_class(struct tdx_status s)
{
	return (unsigned)(s.raw >> 40) & 0xffu;
}

static inline bool tdx_is(struct tdx_status s, uint64_t code)
{
	return tdx_code(s) == (code & TDX_STATUS_CODE_MASK);
}

/* TDX_SUCCESS with any details: a TD exit carries its reason there. */
static inline bool tdx_is_success(struct tdx_status s)
{
	return tdx_is(s, TDX_SUCCESS);
}

/* Bit 63. Neither this nor success: the call had nothing to do (TDX_PAGE_ALREADY_ACCEPTED), or a TD
 * exit after which the TD or the vCPU cannot be entered again (TDX_NON_RECOVERABLE_*). */
static inline bool tdx_is_error(struct tdx_status s)
{
	return (s.raw & TDX_STATUS_ERROR) != 0;
}

static inline bool tdx_is_non_recoverable(struct tdx_status s)
{
	return (s.raw & TDX_STATUS_NON_RECOVERABLE) != 0;
}

static inline bool tdx_is_fatal(struct tdx_status s)
{
	return (s.raw & TDX_STATUS_FATAL) != 0;
}

static inline bool tdx_is_host_recoverable(struct tdx_status s)
{
	return (s.raw & TDX_STATUS_HOST_RECOVERABLE) != 0;
}

/* A lock of the module was taken, whichever it was: exactly TDX_OPERAND_BUSY. The other codes of
 * the class mean other things and have other cures. */
static inline bool tdx_is_busy(struct tdx_status s)
{
	return tdx_is(s, TDX_OPERAND_BUSY);
}

/* Said by the host's call instruction, not by the module. */
static inline bool tdx_is_sw_error(struct tdx_status s)
{
	return (s.raw & TDX_SW_ERROR_MASK) == TDX_SW_ERROR_MASK;
}

/* The known codes, by index from 0; NULL past the last. */
const struct tdx_status_info *tdx_status_at(size_t index);

/* The known code a status carries, or NULL. Bits 63:60 are not compared: a module may add "fatal"
 * to a code, and releases have changed them; compare with ->code to see whether they differ. */
const struct tdx_status_info *tdx_status_info(struct tdx_status s);

/* "TDX_OPERAND_BUSY"; the software codes have names too. "TDX_STATUS_UNKNOWN" for any other. */
const char *tdx_status_name(struct tdx_status s);

/* "SEPT_TREE"; NULL for an id that is not known. */
const char *tdx_operand_name(enum tdx_operand op);

/* The id at an index from 0 in order of value; false past the last. */
bool tdx_operand_at(size_t index, enum tdx_operand *op);

/* "busy", "S-EPT", ...: the class in words; NULL for one that is not known. */
const char *tdx_class_name(unsigned status_class);

/* Looks a code up by name, with or without the "TDX_" in front; NULL when there is none. */
const struct tdx_status_info *tdx_status_by_name(const char *name);

/* Writes "TDX_OPERAND_BUSY|SEPT_TREE", "TDX_SUCCESS", "TDX_INCONSISTENT_MSR|0x3b" or
 * "TDX_STATUS_UNKNOWN(0x...)" and a terminating zero, cut to len. Returns buf. */
const char *tdx_status_format(struct tdx_status s, char *buf, size_t len);

/* Enough for any status. */
#define TDX_STATUS_FORMAT_MAX 96

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
