/* SPDX-License-Identifier: MIT */
/* One successful call of each leaf, and what has to happen before it. */
#include "trace/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TD     "0x100000000"
#define AUG_4K "seamcall 0 TDH.MEM.PAGE.AUG rcx=0x5000 rdx=" TD " r8=0x100011000\n"
#define AUG_2M "seamcall 0 TDH.MEM.PAGE.AUG rcx=0x400001 rdx=" TD " r8=0x104000000\n"
#define BLOCK(gpa)                                                                                 \
	"seamcall 0 TDH.MEM.RANGE.BLOCK rcx=" gpa " rdx=" TD "\n"                                  \
	"seamcall 0 TDH.MEM.TRACK rcx=" TD "\n"
#define ENTER "enter 0 0x100007000\nguest mode64 lp=0\n"
/* Faults at one instruction; the seventh makes the vCPU a suspect of zero-stepping. */
#define FAULT	    "guest ept_violation lp=0 reason=48 qual=0x181 gpa=0x20000 stall=1\n"
#define AGAIN	    "enter 0 0x100007000\n" FAULT
#define KICK	    "guest external_interrupt lp=0 reason=1 intr=0x80000020\n"
#define ACCEPT_2M   "tdcall 0x100007000 TDG.MEM.PAGE.ACCEPT rcx=0x400001\n"
#define DEMOTE	    "seamcall 0 TDH.MEM.PAGE.DEMOTE rcx=0x400001 rdx=" TD " r8=0x100011000\n"
#define FLUSH	    "seamcall 0 TDH.VP.FLUSH rcx=0x100007000\n"
#define VPFLUSHDONE "seamcall 0 TDH.MNG.VPFLUSHDONE rcx=" TD "\n"
#define CACHE_WB    "seamcall 0 TDH.PHYMEM.CACHE.WB\n"
#define FREEID	    "seamcall 0 TDH.MNG.KEY.FREEID rcx=" TD "\n"
/* TDMR_INFO of the two TDMRs, with bits 23:8 of the sizes of their third PAMTs. */
#define TDMRS(size0, size1)                                                                        \
	"write 0x1000000 001000010000000000120001\n"                                               \
	"write 0x1001000 000000400000000000000040000000000000000200000000"                         \
	"0010000000000000001000020000000000200000000000000030000200000000"                         \
	"00" size0 "00000000000000003b0000000000000005\n"                                          \
	"write 0x1001200 000000000100000000000040000000000000000300000000"                         \
	"0010000000000000001000030000000000200000000000000030000300000000"                         \
	"00" size1 "\n"
/* The third PAMT of a TDMR is then the bitmap of its pages. */
#define DYNAMIC                                                                                    \
	TDMRS("8000", "8000")                                                                      \
	"seamcall 0 TDH.SYS.CONFIG rcx=0x1000000 rdx=0x2 r8=0x10020\n"                             \
	"seamcall 0 TDH.SYS.KEY.CONFIG\n"                                                          \
	"tdmr_init 0 0x40000000 0x80000000\n"                                                      \
	"tdmr_init 0 0x100000000 0x140000000\n"
#define PARAMS                                                                                     \
	"write 0x1008000 0100001000000000030000000000000004000000000000001e000000000000000000000"  \
	"00000000064\n"

/* clang-format off */

/* --- sessions: a service TD, the small TD as source or destination, another TD at the other end
 * --- Of the host's: MBMD at 0x1100000, list of pages at 0x1101000, of GPAs at 0x1102000, of
 * buffers at 0x1103000, MACs at 0x1104000, new pages at 0x1106000, bundles from 0x1110000 on. */
#define VP_PAGES(vp, a, b, c, d, e)                                                                \
	"seamcall 0 TDH.VP.ADDCX rcx=" a " rdx=" vp "\n"                                           \
	"seamcall 0 TDH.VP.ADDCX rcx=" b " rdx=" vp "\n"                                           \
	"seamcall 0 TDH.VP.ADDCX rcx=" c " rdx=" vp "\n"                                           \
	"seamcall 0 TDH.VP.ADDCX rcx=" d " rdx=" vp "\n"                                           \
	"seamcall 0 TDH.VP.ADDCX rcx=" e " rdx=" vp "\n"
#define TD_PAGES(td, a, b, c, d, e, f)                                                             \
	"seamcall 0 TDH.MNG.ADDCX rcx=" a " rdx=" td "\n"                                          \
	"seamcall 0 TDH.MNG.ADDCX rcx=" b " rdx=" td "\n"                                          \
	"seamcall 0 TDH.MNG.ADDCX rcx=" c " rdx=" td "\n"                                          \
	"seamcall 0 TDH.MNG.ADDCX rcx=" d " rdx=" td "\n"                                          \
	"seamcall 0 TDH.MNG.ADDCX rcx=" e " rdx=" td "\n"                                          \
	"seamcall 0 TDH.MNG.ADDCX rcx=" f " rdx=" td "\n"
#define KEYED(td, hkid)                                                                            \
	"seamcall 0 TDH.MNG.CREATE rcx=" td " rdx=" hkid "\n"                                      \
	"seamcall 0 TDH.MNG.KEY.CONFIG rcx=" td "\n"
#define INIT_TD(td, attributes)                                                                    \
	"write 0x1008000 " attributes "030000000000000004000000000000001e00000000000000"           \
	"000000000000000064\n"                                                                     \
	"seamcall 0 TDH.MNG.INIT rcx=" td " rdx=0x1008000\n"
#define FINALIZE(td) "seamcall 0 TDH.MR.FINALIZE rcx=" td "\n"
#define STREAMS(td, a, b)                                                                          \
	"seamcall 0 TDH.MIG.STREAM.CREATE rcx=" a " rdx=" td "\n"                                  \
	"seamcall 0 TDH.MIG.STREAM.CREATE rcx=" b " rdx=" td "\n"
#define SERVICE	   "0x100080000"
#define SERVICE_VP "0x100087000"
#define SERVICE_TD                                                                                 \
	KEYED(SERVICE, "0x22")                                                                     \
	TD_PAGES(SERVICE, "0x100081000", "0x100082000", "0x100083000", "0x100084000",              \
		 "0x100085000", "0x100086000")                                                     \
	INIT_TD(SERVICE, "0000001000000000")                                                       \
	"seamcall 0 TDH.VP.CREATE rcx=" SERVICE_VP " rdx=" SERVICE                                 \
	"\n" VP_PAGES(SERVICE_VP, "0x100088000", "0x100089000", "0x10008a000", "0x10008b000",      \
		      "0x10008c000") "seamcall 0 TDH.VP.INIT rcx=" SERVICE_VP                      \
				     "\n" FINALIZE(SERVICE)
/* n names the binding: $hn is the handle, $an to $dn the TD's UUID. */
#define BIND(td, n)                                                                                \
	"seamcall 0 TDH.SERVTD.BIND rcx=" td " rdx=" SERVICE " -> rax=? rcx=$h" n " r10=$a" n      \
	" r11=$b" n " r12=$c" n " r13=$d" n "\n"
#define BOUND(n)      " r10=$a" n " r11=$b" n " r12=$c" n " r13=$d" n
#define ENTER_SERVICE "enter 0 " SERVICE_VP "\nguest mode64 lp=0\n"
#define SERVTD_WR(n, field, value)                                                                 \
	"tdcall " SERVICE_VP " TDG.SERVTD.WR rcx=$h" n " rdx=0x98100003000000" field " r8=" value  \
	" r9=0xffffffffffffffff" BOUND(n) "\n"
#define SERVTD_RD(n, field, name)                                                                  \
	"tdcall " SERVICE_VP " TDG.SERVTD.RD rcx=$h" n " rdx=0x98100003000000" field BOUND(        \
		n) " -> rax=? r8=$" name "\n"
/* From the one TD's encryption key to the other's decryption key. */
#define KEY(from, to)                                                                              \
	SERVTD_RD(from, "18", "k0" from)                                                           \
	SERVTD_RD(from, "19", "k1" from)                                                           \
	SERVTD_RD(from, "1a", "k2" from) SERVTD_RD(from, "1b", "k3" from)                          \
		SERVTD_WR(to, "10", "$k0" from) SERVTD_WR(to, "11", "$k1" from)                    \
			SERVTD_WR(to, "12", "$k2" from) SERVTD_WR(to, "13", "$k3" from)
#define MBMD "r8=0x800000001100000"
#define PAGE_LIST                                                                                  \
	"write 0x1101000 000011010000000000101101000000000020110100000000003011010000000000401101" \
	"000000000050110100000000006011010000000000701101000000000080110100000000009011010000"     \
	"000000a011010000000000b0110100000000\n"
#define ALL_PAGES "r9=0x580000001101000"
#define GPA_LIST  "write 0x1102000 0010000000001000\n" /* migrate 0x1000 */
#define BUFFERS	  "write 0x1103000 0000120100000000\n"
#define BLOCKW(td)                                                                                 \
	GPA_LIST "seamcall 0 TDH.EXPORT.BLOCKW rcx=0x1102000 rdx=" td "\n"                         \
		 "seamcall 0 TDH.MEM.TRACK rcx=" td "\n" GPA_LIST BUFFERS
#define EXPORT_IMMUTABLE(td)                                                                       \
	PAGE_LIST "seamcall 0 TDH.EXPORT.STATE.IMMUTABLE rcx=" td " " MBMD " " ALL_PAGES "\n"
#define EXPORT_MEM(td)                                                                             \
	"seamcall 0 TDH.EXPORT.MEM rcx=0x1102000 rdx=" td " " MBMD " r9=0x1103000 r11=0x1104000\n"
#define PAUSE(td) "seamcall 0 TDH.EXPORT.PAUSE rcx=" td "\n"
#define SOURCE	  SERVICE_TD BIND(TD, "t") FINALIZE(TD) STREAMS(TD, "0x100090000", "0x100091000")
#define SOURCE_KEYED                                                                               \
	SOURCE ENTER_SERVICE SERVTD_WR(                                                            \
		"t", "10", "0x1") "guest external_interrupt lp=0 reason=1 intr=0x80000020\n"
#define EXPORTING SOURCE_KEYED EXPORT_IMMUTABLE(TD)
#define OTHER	  "0x1000a0000"
#define OTHER_VP  "0x1000a7000"
#define OTHER_TD                                                                                   \
	KEYED(OTHER, "0x23")                                                                       \
	TD_PAGES(OTHER, "0x1000a1000", "0x1000a2000", "0x1000a3000", "0x1000a4000", "0x1000a5000", \
		 "0x1000a6000")                                                                    \
	INIT_TD(OTHER, "0000003000000000")                                                         \
	"seamcall 0 TDH.VP.CREATE rcx=" OTHER_VP " rdx=" OTHER                                     \
	"\n" VP_PAGES(OTHER_VP, "0x1000a8000", "0x1000a9000", "0x1000aa000", "0x1000ab000",        \
		      "0x1000ac000") "seamcall 0 TDH.VP.INIT rcx=" OTHER_VP "\n"                   \
				     "seamcall 0 TDH.MEM.SEPT.ADD rcx=0x3 rdx=" OTHER              \
				     " r8=0x1000ad000\n"                                           \
				     "seamcall 0 TDH.MEM.SEPT.ADD rcx=0x2 rdx=" OTHER              \
				     " r8=0x1000ae000\n"                                           \
				     "seamcall 0 TDH.MEM.SEPT.ADD rcx=0x1 rdx=" OTHER              \
				     " r8=0x1000af000\n"                                           \
				     "seamcall 0 TDH.MEM.PAGE.ADD rcx=0x1000 rdx=" OTHER           \
				     " r8=0x1000b0000 r9=0x1010000\n" BIND(OTHER, "o")             \
					     FINALIZE(OTHER)                                       \
						     STREAMS(OTHER, "0x1000b2000", "0x1000b3000")
/* Before the first of its imports; then, one after the other, what the source sends. */
#define DESTINATION                                                                                \
	SERVICE_TD OTHER_TD STREAMS(TD, "0x100090000", "0x100091000") BIND(TD, "t")                \
		ENTER_SERVICE KEY("o", "t")                                                        \
			KEY("t", "o") "guest external_interrupt lp=0 reason=1 "                    \
				      "intr=0x80000020\n" EXPORT_IMMUTABLE(OTHER)
#define IMPORT_IMMUTABLE                                                                           \
	"seamcall 0 TDH.IMPORT.STATE.IMMUTABLE rcx=" TD " " MBMD " r9=0x100000001101000"
#define IMPORTING                                                                                  \
	DESTINATION IMPORT_IMMUTABLE                                                               \
		"\n"                                                                               \
		"seamcall 0 TDH.MEM.SEPT.ADD rcx=0x3 rdx=" TD " r8=0x10000d000\n"                  \
		"seamcall 0 TDH.MEM.SEPT.ADD rcx=0x2 rdx=" TD " r8=0x10000e000\n"                  \
		"seamcall 0 TDH.MEM.SEPT.ADD rcx=0x1 rdx=" TD " r8=0x10000f000\n"
#define MEM_SENT IMPORTING BLOCKW(OTHER) EXPORT_MEM(OTHER) "write 0x1106000 0000020001000000\n"
#define IMPORT_MEM                                                                                 \
	"seamcall 0 TDH.IMPORT.MEM rcx=0x1102000 rdx=" TD " " MBMD                                 \
	" r9=0x1103000 r11=0x1104000 r13=0x1106000"
#define TOKEN_SENT IMPORTING "seamcall 0 TDH.EXPORT.TRACK rcx=" OTHER " " MBMD "\n"
#define TD_SENT                                                                                    \
	MEM_SENT IMPORT_MEM "\n" PAUSE(OTHER) "seamcall 0 TDH.EXPORT.STATE.TD rcx=" OTHER " " MBMD \
					      " " ALL_PAGES "\n"
#define IMPORT_TD "seamcall 0 TDH.IMPORT.STATE.TD rcx=" TD " " MBMD " r9=0x1101000"
#define VP_SENT                                                                                    \
	TD_SENT IMPORT_TD                                                                          \
		"\n"                                                                               \
		"seamcall 0 TDH.VP.CREATE rcx=0x100007000 rdx=" TD                                 \
		"\n" VP_PAGES("0x100007000", "0x100008000", "0x100009000", "0x10000a000",          \
			      "0x10000b000",                                                       \
			      "0x10000c000") "seamcall 0 TDH.EXPORT.STATE.VP rcx=" OTHER_VP        \
					     " " MBMD " " ALL_PAGES "\n"
#define IMPORT_VP "seamcall 0 TDH.IMPORT.STATE.VP rcx=0x100007000 " MBMD " r9=0x200000001101000"
#define IMPORTED                                                                                   \
	VP_SENT IMPORT_VP "\n"                                                                     \
			  "seamcall 0 TDH.EXPORT.TRACK rcx=" OTHER " " MBMD                        \
			  " r10=0x8000000000000000\n"                                              \
			  "seamcall 0 TDH.IMPORT.TRACK rcx=" TD " " MBMD "\n"

/* --- partitioning: the small TD with an L2 VM, whose tables are beside its own --- */
#define L2_TABLE(level, l1, l2)                                                                    \
	"seamcall 0 TDH.MEM.SEPT.ADD/1 rcx=" level " rdx=" TD " r8=" l1 " r9=" l2                  \
	" r10=0xffffffffffffffff r11=0xffffffffffffffff\n"
#define PARTITIONED                                                                                \
	TD_PAGES(TD, "0x100001000", "0x100002000", "0x100003000", "0x100004000", "0x100005000",    \
		 "0x100006000")                                                                    \
	"seamcall 0 TDH.MNG.ADDCX rcx=0x100040000 rdx=" TD "\n"                                    \
	"write 0x1008000 0100001000000000030000000000000004000100000000001e000000000000"           \
	"00000000000000000064\n"                                                                   \
	"seamcall 0 TDH.MNG.INIT rcx=" TD " rdx=0x1008000\n"                                       \
	"seamcall 0 TDH.VP.CREATE rcx=0x100007000 rdx=" TD "\n" VP_PAGES(                          \
		"0x100007000", "0x100008000", "0x100009000", "0x10000a000", "0x10000b000",         \
		"0x10000c000") "seamcall 0 TDH.VP.ADDCX rcx=0x100041000 rdx=0x100007000\n"         \
			       "seamcall 0 TDH.VP.ADDCX rcx=0x100042000 rdx=0x100007000\n"         \
			       "seamcall 0 TDH.VP.ADDCX rcx=0x100043000 rdx=0x100007000\n"         \
			       "seamcall 0 TDH.VP.INIT rcx=0x100007000\n" L2_TABLE(                \
				       "0x3", "0x10000d000", "0x100044000")                        \
				       L2_TABLE("0x2", "0x10000e000", "0x100045000") L2_TABLE(     \
					       "0x1", "0x10000f000",                               \
					       "0x100046000") "seamcall 0 TDH.MEM.PAGE.ADD "       \
							      "rcx=0x1000 rdx=" TD                 \
							      " r8=0x100020000 r9=0x1010000\n"     \
							      "seamcall 0 TDH.MEM.PAGE.ADD "       \
							      "rcx=0x2000 rdx=" TD                 \
							      " r8=0x100021000 "                   \
							      "r9=0x1010000\n" FINALIZE(TD) ENTER  \
		"tdcall 0x100007000 TDG.VP.WR rdx=0x2420000300002012 r8=0x2000 "                   \
		"r9=0xfffffffffffff000\n"

const struct subject subjects[] = {
	{"sys-init", "TDH.SYS.INIT", STAGE_LOADED,
	 "",
	 "seamcall 0 TDH.SYS.INIT"},
	{"sys-lp-init", "TDH.SYS.LP.INIT", STAGE_SYS_INIT,
	 "",
	 "seamcall 0 TDH.SYS.LP.INIT"},
	{"sys-config", "TDH.SYS.CONFIG", STAGE_LP_INIT,
	 TDMRS("0040", "0040"),
	 "seamcall 0 TDH.SYS.CONFIG rcx=0x1000000 rdx=0x2 r8=0x20"},
	{"sys-key-config", "TDH.SYS.KEY.CONFIG", STAGE_CONFIG,
	 "",
	 "seamcall 0 TDH.SYS.KEY.CONFIG"},
	{"sys-tdmr-init", "TDH.SYS.TDMR.INIT", STAGE_KEY_CONFIG,
	 "",
	 "seamcall 0 TDH.SYS.TDMR.INIT rcx=0x100000000"},
	{"sys-info", "TDH.SYS.INFO", STAGE_READY,
	 "",
	 "seamcall 0 TDH.SYS.INFO rcx=0x1020000 rdx=0x400 r8=0x1021000 r9=0x20"},
	{"sys-rd", "TDH.SYS.RD", STAGE_READY,
	 "",
	 "seamcall 0 TDH.SYS.RD rdx=0x800000200000000"},
	{"sys-rdall", "TDH.SYS.RDALL", STAGE_READY,
	 "",
	 "seamcall 0 TDH.SYS.RDALL rdx=0x1020000 r8=0xffffffffffffffff"},
	{"sys-lp-shutdown", "TDH.SYS.LP.SHUTDOWN", STAGE_READY,
	 "",
	 "seamcall 0 TDH.SYS.LP.SHUTDOWN"},
	{"sys-shutdown", "TDH.SYS.SHUTDOWN", STAGE_READY,
	 "",
	 "seamcall 0 TDH.SYS.SHUTDOWN rcx=0x1"},
	{"mng-create", "TDH.MNG.CREATE", STAGE_READY,
	 "",
	 "seamcall 0 TDH.MNG.CREATE rcx=0x100000000 rdx=0x21"},
	{"mng-key-config", "TDH.MNG.KEY.CONFIG", STAGE_CREATED,
	 "",
	 "seamcall 0 TDH.MNG.KEY.CONFIG rcx=0x100000000"},
	{"mng-addcx", "TDH.MNG.ADDCX", STAGE_TD_KEY,
	 "",
	 "seamcall 0 TDH.MNG.ADDCX rcx=0x100001000 rdx=0x100000000"},
	{"mng-init", "TDH.MNG.INIT", STAGE_TDCS,
	 PARAMS,
	 "seamcall 0 TDH.MNG.INIT rcx=0x100000000 rdx=0x1008000"},
	{"vp-create", "TDH.VP.CREATE", STAGE_TD_INIT,
	 "",
	 "seamcall 0 TDH.VP.CREATE rcx=0x100007000 rdx=0x100000000"},
	{"vp-addcx", "TDH.VP.ADDCX", STAGE_VP_CREATED,
	 "",
	 "seamcall 0 TDH.VP.ADDCX rcx=0x100008000 rdx=0x100007000"},
	{"vp-init", "TDH.VP.INIT", STAGE_TDVPS,
	 "",
	 "seamcall 0 TDH.VP.INIT rcx=0x100007000"},
	{"vp-init-v1", "TDH.VP.INIT/1", STAGE_TDVPS,
	 "",
	 "seamcall 0 TDH.VP.INIT/1 rcx=0x100007000 r8=0x3"},
	{"sept-add", "TDH.MEM.SEPT.ADD", STAGE_FINALIZED,
	 "",
	 "seamcall 0 TDH.MEM.SEPT.ADD rcx=0x200001 rdx=0x100000000 r8=0x100010000"},
	{"sept-add-top", "TDH.MEM.SEPT.ADD", STAGE_VP_INIT,
	 "",
	 "seamcall 0 TDH.MEM.SEPT.ADD rcx=0x3 rdx=0x100000000 r8=0x10000d000"},
	{"page-add", "TDH.MEM.PAGE.ADD", STAGE_TABLES,
	 "",
	 "seamcall 0 TDH.MEM.PAGE.ADD rcx=0x0 rdx=0x100000000 r8=0x100010000 r9=0x1010000"},
	{"mr-extend", "TDH.MR.EXTEND", STAGE_PAGES,
	 "",
	 "seamcall 0 TDH.MR.EXTEND rcx=0x0 rdx=0x100000000"},
	{"mr-finalize", "TDH.MR.FINALIZE", STAGE_PAGES,
	 "",
	 "seamcall 0 TDH.MR.FINALIZE rcx=0x100000000"},
	{"mng-rd", "TDH.MNG.RD", STAGE_FINALIZED,
	 "",
	 "seamcall 0 TDH.MNG.RD rcx=0x100000000 rdx=0x8010000000000001"},
	{"mng-wr", "TDH.MNG.WR", STAGE_FINALIZED,
	 "",
	 "seamcall 0 TDH.MNG.WR rcx=0x100000000 rdx=0x9110000300000010 r9=0xffffffffffffffff"},
	{"vp-rd", "TDH.VP.RD", STAGE_FINALIZED,
	 "",
	 "seamcall 0 TDH.VP.RD rcx=0x100007000 rdx=0x1020000300000000"},
	{"vp-wr", "TDH.VP.WR", STAGE_FINALIZED,
	 "",
	 "seamcall 0 TDH.VP.WR rcx=0x100007000 rdx=0x24000100000002 r8=0xf2 r9=0xffff"},
	{"vp-enter", "TDH.VP.ENTER", STAGE_FINALIZED,
	 "",
	 "enter 0 0x100007000"},
	{"vp-enter-suspect", "TDH.VP.ENTER", STAGE_FINALIZED,
	 ENTER FAULT AGAIN AGAIN AGAIN AGAIN AGAIN AGAIN,
	 "seamcall 0 TDH.VP.ENTER rcx=0x100007000"},
	{"vp-flush", "TDH.VP.FLUSH", STAGE_FINALIZED,
	 "",
	 "seamcall 0 TDH.VP.FLUSH rcx=0x100007000"},
	{"mem-track", "TDH.MEM.TRACK", STAGE_FINALIZED,
	 "",
	 "seamcall 0 TDH.MEM.TRACK rcx=0x100000000"},
	{"page-aug-4k", "TDH.MEM.PAGE.AUG", STAGE_FINALIZED,
	 "",
	 "seamcall 0 TDH.MEM.PAGE.AUG rcx=0x5000 rdx=0x100000000 r8=0x100011000"},
	{"page-aug-2m", "TDH.MEM.PAGE.AUG", STAGE_FINALIZED,
	 "",
	 "seamcall 0 TDH.MEM.PAGE.AUG rcx=0x400001 rdx=0x100000000 r8=0x104000000"},
	{"range-block-4k", "TDH.MEM.RANGE.BLOCK", STAGE_FINALIZED,
	 AUG_4K,
	 "seamcall 0 TDH.MEM.RANGE.BLOCK rcx=0x5000 rdx=0x100000000"},
	{"range-block-nonleaf", "TDH.MEM.RANGE.BLOCK", STAGE_FINALIZED,
	 AUG_4K,
	 "seamcall 0 TDH.MEM.RANGE.BLOCK rcx=0x1 rdx=0x100000000"},
	{"range-unblock", "TDH.MEM.RANGE.UNBLOCK", STAGE_FINALIZED,
	 AUG_4K BLOCK("0x5000"),
	 "seamcall 0 TDH.MEM.RANGE.UNBLOCK rcx=0x5000 rdx=0x100000000"},
	{"page-remove", "TDH.MEM.PAGE.REMOVE", STAGE_FINALIZED,
	 AUG_4K BLOCK("0x5000"),
	 "seamcall 0 TDH.MEM.PAGE.REMOVE rcx=0x5000 rdx=0x100000000"},
	{"page-relocate", "TDH.MEM.PAGE.RELOCATE", STAGE_FINALIZED,
	 AUG_4K BLOCK("0x5000"),
	 "seamcall 0 TDH.MEM.PAGE.RELOCATE rcx=0x5000 rdx=0x100000000 r8=0x100012000"},
	{"page-remove-2m", "TDH.MEM.PAGE.REMOVE", STAGE_FINALIZED,
	 AUG_2M BLOCK("0x400001"),
	 "seamcall 0 TDH.MEM.PAGE.REMOVE rcx=0x400001 rdx=0x100000000"},
	{"page-demote", "TDH.MEM.PAGE.DEMOTE", STAGE_FINALIZED,
	 AUG_2M ENTER ACCEPT_2M KICK BLOCK("0x400001"),
	 "seamcall 0 TDH.MEM.PAGE.DEMOTE rcx=0x400001 rdx=0x100000000 r8=0x100011000"},
	{"page-promote", "TDH.MEM.PAGE.PROMOTE", STAGE_FINALIZED,
	 AUG_2M ENTER ACCEPT_2M KICK BLOCK("0x400001") DEMOTE BLOCK("0x400001"),
	 "seamcall 0 TDH.MEM.PAGE.PROMOTE rcx=0x400001 rdx=0x100000000"},
	{"sept-rd", "TDH.MEM.SEPT.RD", STAGE_FINALIZED,
	 "",
	 "seamcall 0 TDH.MEM.SEPT.RD rcx=0x0 rdx=0x100000000"},
	{"sept-remove", "TDH.MEM.SEPT.REMOVE", STAGE_FINALIZED,
	 "seamcall 0 TDH.MEM.SEPT.ADD rcx=0x200001 rdx=" TD " r8=0x100011000\n" BLOCK("0x200001"),
	 "seamcall 0 TDH.MEM.SEPT.REMOVE rcx=0x200001 rdx=0x100000000"},
	{"mem-rd", "TDH.MEM.RD", STAGE_FINALIZED,
	 "",
	 "seamcall 0 TDH.MEM.RD rcx=0x0 rdx=0x100000000"},
	{"mem-wr", "TDH.MEM.WR", STAGE_FINALIZED,
	 "",
	 "seamcall 0 TDH.MEM.WR rcx=0x0 rdx=0x100000000 r8=0x1234"},
	{"mng-vpflushdone", "TDH.MNG.VPFLUSHDONE", STAGE_FINALIZED,
	 FLUSH,
	 "seamcall 0 TDH.MNG.VPFLUSHDONE rcx=0x100000000"},
	{"phymem-cache-wb", "TDH.PHYMEM.CACHE.WB", STAGE_FINALIZED,
	 FLUSH VPFLUSHDONE,
	 "seamcall 0 TDH.PHYMEM.CACHE.WB"},
	{"mng-key-freeid", "TDH.MNG.KEY.FREEID", STAGE_FINALIZED,
	 FLUSH VPFLUSHDONE CACHE_WB,
	 "seamcall 0 TDH.MNG.KEY.FREEID rcx=0x100000000"},
	{"mng-key-reclaimid", "TDH.MNG.KEY.RECLAIMID", STAGE_FINALIZED,
	 "",
	 "seamcall 0 TDH.MNG.KEY.RECLAIMID rcx=0x100000000"},
	{"page-reclaim", "TDH.PHYMEM.PAGE.RECLAIM", STAGE_FINALIZED,
	 FLUSH VPFLUSHDONE CACHE_WB FREEID,
	 "seamcall 0 TDH.PHYMEM.PAGE.RECLAIM rcx=0x100007000"},
	{"page-reclaim-tdr", "TDH.PHYMEM.PAGE.RECLAIM", STAGE_CREATED,
	 VPFLUSHDONE CACHE_WB FREEID,
	 "seamcall 0 TDH.PHYMEM.PAGE.RECLAIM rcx=0x100000000"},
	{"page-rdmd", "TDH.PHYMEM.PAGE.RDMD", STAGE_FINALIZED,
	 "",
	 "seamcall 0 TDH.PHYMEM.PAGE.RDMD rcx=0x100001000"},
	{"page-wbinvd", "TDH.PHYMEM.PAGE.WBINVD", STAGE_READY,
	 "",
	 "seamcall 0 TDH.PHYMEM.PAGE.WBINVD rcx=0x100000000"},
	{"pamt-add", "TDH.PHYMEM.PAMT.ADD", STAGE_LP_INIT,
	 DYNAMIC,
	 "seamcall 0 TDH.PHYMEM.PAMT.ADD rcx=0x100000001 rdx=0x50100000 r8=0x50101000"},
	{"pamt-remove", "TDH.PHYMEM.PAMT.REMOVE", STAGE_LP_INIT,
	 DYNAMIC
	 "seamcall 0 TDH.PHYMEM.PAMT.ADD rcx=0x100000001 rdx=0x50100000 r8=0x50101000\n",
	 "seamcall 0 TDH.PHYMEM.PAMT.REMOVE rcx=0x100000001"},
	{"servtd-bind", "TDH.SERVTD.BIND", STAGE_PAGES | STAGE_MIGRATABLE,
	 SERVICE_TD,
	 "seamcall 0 TDH.SERVTD.BIND rcx=" TD " rdx=" SERVICE},
	{"servtd-prebind", "TDH.SERVTD.PREBIND", STAGE_PAGES | STAGE_MIGRATABLE,
	 "",
	 "seamcall 0 TDH.SERVTD.PREBIND rcx=" TD " rdx=0x1105000"},
	{"stream-create", "TDH.MIG.STREAM.CREATE", STAGE_PAGES | STAGE_MIGRATABLE,
	 FINALIZE(TD),
	 "seamcall 0 TDH.MIG.STREAM.CREATE rcx=0x100090000 rdx=" TD},
	{"export-immutable", "TDH.EXPORT.STATE.IMMUTABLE", STAGE_PAGES | STAGE_MIGRATABLE,
	 SOURCE_KEYED PAGE_LIST,
	 "seamcall 0 TDH.EXPORT.STATE.IMMUTABLE rcx=" TD " " MBMD " " ALL_PAGES},
	{"export-blockw", "TDH.EXPORT.BLOCKW", STAGE_PAGES | STAGE_MIGRATABLE,
	 EXPORTING GPA_LIST,
	 "seamcall 0 TDH.EXPORT.BLOCKW rcx=0x1102000 rdx=" TD},
	{"export-unblockw", "TDH.EXPORT.UNBLOCKW", STAGE_PAGES | STAGE_MIGRATABLE,
	 EXPORTING BLOCKW(TD),
	 "seamcall 0 TDH.EXPORT.UNBLOCKW rcx=0x1000 rdx=" TD},
	{"export-mem", "TDH.EXPORT.MEM", STAGE_PAGES | STAGE_MIGRATABLE,
	 EXPORTING BLOCKW(TD),
	 "seamcall 0 TDH.EXPORT.MEM rcx=0x1102000 rdx=" TD " " MBMD " r9=0x1103000 r11=0x1104000"},
	{"export-track", "TDH.EXPORT.TRACK", STAGE_PAGES | STAGE_MIGRATABLE,
	 EXPORTING,
	 "seamcall 0 TDH.EXPORT.TRACK rcx=" TD " " MBMD},
	{"export-pause", "TDH.EXPORT.PAUSE", STAGE_PAGES | STAGE_MIGRATABLE,
	 EXPORTING,
	 "seamcall 0 TDH.EXPORT.PAUSE rcx=" TD},
	{"export-td", "TDH.EXPORT.STATE.TD", STAGE_PAGES | STAGE_MIGRATABLE,
	 EXPORTING PAUSE(TD),
	 "seamcall 0 TDH.EXPORT.STATE.TD rcx=" TD " " MBMD " " ALL_PAGES},
	{"export-vp", "TDH.EXPORT.STATE.VP", STAGE_PAGES | STAGE_MIGRATABLE,
	 EXPORTING PAUSE(TD),
	 "seamcall 0 TDH.EXPORT.STATE.VP rcx=0x100007000 " MBMD " " ALL_PAGES},
	{"export-abort", "TDH.EXPORT.ABORT", STAGE_PAGES | STAGE_MIGRATABLE,
	 EXPORTING,
	 "seamcall 0 TDH.EXPORT.ABORT rcx=" TD},
	{"export-restore", "TDH.EXPORT.RESTORE", STAGE_PAGES | STAGE_MIGRATABLE,
	 EXPORTING BLOCKW(TD) EXPORT_MEM(TD) "seamcall 0 TDH.EXPORT.ABORT rcx=" TD "\n" GPA_LIST,
	 "seamcall 0 TDH.EXPORT.RESTORE rcx=0x1102000 rdx=" TD},
	{"import-immutable", "TDH.IMPORT.STATE.IMMUTABLE", STAGE_TDCS,
	 DESTINATION,
	 IMPORT_IMMUTABLE},
	{"import-mem", "TDH.IMPORT.MEM", STAGE_TDCS,
	 MEM_SENT,
	 IMPORT_MEM},
	{"import-track", "TDH.IMPORT.TRACK", STAGE_TDCS,
	 TOKEN_SENT,
	 "seamcall 0 TDH.IMPORT.TRACK rcx=" TD " " MBMD},
	{"import-td", "TDH.IMPORT.STATE.TD", STAGE_TDCS,
	 TD_SENT,
	 IMPORT_TD},
	{"import-vp", "TDH.IMPORT.STATE.VP", STAGE_TDCS,
	 VP_SENT,
	 IMPORT_VP},
	{"import-commit", "TDH.IMPORT.COMMIT", STAGE_TDCS,
	 IMPORTED,
	 "seamcall 0 TDH.IMPORT.COMMIT rcx=" TD},
	{"import-end", "TDH.IMPORT.END", STAGE_TDCS,
	 IMPORTED,
	 "seamcall 0 TDH.IMPORT.END rcx=" TD},
	{"import-abort", "TDH.IMPORT.ABORT", STAGE_TDCS,
	 IMPORTING,
	 "seamcall 0 TDH.IMPORT.ABORT rcx=" TD " " MBMD},
	{"tdg-accept", "TDG.MEM.PAGE.ACCEPT", STAGE_FINALIZED,
	 "seamcall 0 TDH.MEM.PAGE.AUG rcx=0x9000 rdx=0x100000000 r8=0x100018000\n" ENTER,
	 "tdcall 0x100007000 TDG.MEM.PAGE.ACCEPT rcx=0x9000"},
	{"tdg-accept-2m", "TDG.MEM.PAGE.ACCEPT", STAGE_FINALIZED,
	 AUG_2M ENTER,
	 "tdcall 0x100007000 TDG.MEM.PAGE.ACCEPT rcx=0x400001"},
	{"tdg-page-attr-rd", "TDG.MEM.PAGE.ATTR.RD", STAGE_FINALIZED,
	 ENTER,
	 "tdcall 0x100007000 TDG.MEM.PAGE.ATTR.RD rcx=0x1000"},
	{"tdg-page-attr-wr", "TDG.MEM.PAGE.ATTR.WR", STAGE_FINALIZED,
	 ENTER,
	 "tdcall 0x100007000 TDG.MEM.PAGE.ATTR.WR rcx=0x1000"},
	{"tdg-rtmr-extend", "TDG.MR.RTMR.EXTEND", STAGE_FINALIZED,
	 ENTER,
	 "tdcall 0x100007000 TDG.MR.RTMR.EXTEND rcx=0x1000 rdx=0x2"},
	{"tdg-mr-report", "TDG.MR.REPORT", STAGE_FINALIZED,
	 ENTER,
	 "tdcall 0x100007000 TDG.MR.REPORT rcx=0x2000 rdx=0x1000"},
	{"tdg-mr-verifyreport", "TDG.MR.VERIFYREPORT", STAGE_FINALIZED,
	 ENTER "tdcall 0x100007000 TDG.MR.REPORT rcx=0x2000 rdx=0x1000\n",
	 "tdcall 0x100007000 TDG.MR.VERIFYREPORT rcx=0x2000"},
	{"tdg-vm-rd", "TDG.VM.RD", STAGE_FINALIZED,
	 ENTER,
	 "tdcall 0x100007000 TDG.VM.RD rdx=0x9110000300000010"},
	{"tdg-vm-wr", "TDG.VM.WR", STAGE_FINALIZED,
	 ENTER,
	 "tdcall 0x100007000 TDG.VM.WR rdx=0x9110000300000010 r9=0xffffffffffffffff"},
	{"tdg-vp-rd", "TDG.VP.RD", STAGE_FINALIZED,
	 ENTER,
	 "tdcall 0x100007000 TDG.VP.RD rdx=0xa020000300000050"},
	{"tdg-vp-wr", "TDG.VP.WR", STAGE_FINALIZED,
	 ENTER,
	 "tdcall 0x100007000 TDG.VP.WR rdx=0xa020000300000050 r9=0x1"},
	{"tdg-sys-rd", "TDG.SYS.RD", STAGE_FINALIZED,
	 ENTER,
	 "tdcall 0x100007000 TDG.SYS.RD rdx=0x800000200000000"},
	{"tdg-sys-rdall", "TDG.SYS.RDALL", STAGE_FINALIZED,
	 ENTER,
	 "tdcall 0x100007000 TDG.SYS.RDALL rdx=0x1000 r8=0xffffffffffffffff"},
	{"tdg-vp-info", "TDG.VP.INFO", STAGE_FINALIZED,
	 ENTER,
	 "tdcall 0x100007000 TDG.VP.INFO"},
	{"tdg-vp-cpuidve", "TDG.VP.CPUIDVE.SET", STAGE_FINALIZED,
	 ENTER,
	 "tdcall 0x100007000 TDG.VP.CPUIDVE.SET rcx=0x0"},
	{"tdg-vp-veinfo", "TDG.VP.VEINFO.GET", STAGE_FINALIZED,
	 ENTER "guest hlt lp=0 reason=12 ilen=1\n",
	 "tdcall 0x100007000 TDG.VP.VEINFO.GET"},
	{"tdg-vp-vmcall", "TDG.VP.VMCALL", STAGE_FINALIZED,
	 ENTER,
	 "tdcall 0x100007000 TDG.VP.VMCALL rcx=0xfc00 r11=0xc"},
	{"tdg-servtd-rd", "TDG.SERVTD.RD", STAGE_PAGES | STAGE_MIGRATABLE,
	 SOURCE ENTER_SERVICE,
	 "tdcall " SERVICE_VP " TDG.SERVTD.RD rcx=$ht rdx=0x9810000300000018" BOUND("t")},
	{"tdg-servtd-wr", "TDG.SERVTD.WR", STAGE_PAGES | STAGE_MIGRATABLE,
	 SOURCE ENTER_SERVICE,
	 "tdcall " SERVICE_VP " TDG.SERVTD.WR rcx=$ht rdx=0x9810000300000010 r8=0x1 "
	 "r9=0xffffffffffffffff" BOUND("t")},
	{"tdg-vp-enter", "TDG.VP.ENTER", STAGE_TD_KEY,
	 PARTITIONED,
	 "tdcall 0x100007000 TDG.VP.ENTER rcx=0x10000000000000 rdx=0x1000"},
	{"tdg-invept", "TDG.VP.INVEPT", STAGE_TD_KEY,
	 PARTITIONED,
	 "tdcall 0x100007000 TDG.VP.INVEPT rcx=0x2"},
	{"tdg-invvpid", "TDG.VP.INVVPID", STAGE_TD_KEY,
	 PARTITIONED,
	 "tdcall 0x100007000 TDG.VP.INVVPID rcx=0x10000000000000 rdx=0x5000"},
	{"tdg-ept-violation", "EPT violation exit in guest", STAGE_FINALIZED,
	 ENTER,
	 "guest ept_violation lp=0 reason=48 qual=0x181 gpa=0x9000"},
};
/* clang-format on */

const unsigned num_subjects = sizeof(subjects) / sizeof(subjects[0]);

bool subject_matches(const struct subject *s, const char *word)
{
	size_t n = strcspn(s->title, "/");

	return strcasecmp(s->name, word) == 0 || strcasecmp(s->title, word) == 0 ||
	       (strlen(word) == n && strncasecmp(s->title, word, n) == 0) ||
	       (n > 4 && strlen(word) == n - 4 && strncasecmp(s->title + 4, word, n - 4) == 0);
}

bool player_lines(struct player *p, const char *lines, char *err, size_t errlen)
{
	char *copy = strdup(lines), *line = copy, *end, why[128];
	bool ok = copy != NULL;

	if (!ok)
		snprintf(err, errlen, "out of memory");
	for (; ok && *line; line = end) {
		struct vec_step s;
		struct played d;

		end = strchrnul(line, '\n');
		if (*end)
			*end++ = '\0';
		if (p->line)
			p->line(p->arg, line);
		if (!vec_parse(line, &s, why, sizeof(why))) {
			snprintf(err, errlen, "not understood: %s", why);
			ok = false;
		} else if (!player_step(p, &s, &d)) {
			snprintf(err, errlen, "%s", d.why);
			ok = false;
		}
	}
	free(copy);
	return ok;
}

bool subject_prepare(const struct subject *s, struct player *p, char *err, size_t errlen)
{
	char *lines = stage_lines(s->stage);
	bool ok = lines && player_lines(p, lines, err, errlen) &&
		  player_lines(p, s->prepare, err, errlen);

	if (!lines)
		snprintf(err, errlen, "out of memory");
	free(lines);
	return ok;
}

bool subject_call(const struct subject *s, struct player *p, struct played *out)
{
	char line[320], err[128];
	struct vec_step step;

	snprintf(line, sizeof(line), "%s", s->call);
	if (vec_parse(line, &step, err, sizeof(err)))
		return player_step(p, &step, out);
	snprintf(out->why, sizeof(out->why), "%s", err);
	return false;
}
