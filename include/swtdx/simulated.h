/* SPDX-License-Identifier: MIT */
/* The marks of the simulation: public values that real platforms do not have, in everything that
 * could be taken for evidence from one. Whoever checks evidence for them knows what he has. */
#ifndef SWTDX_SIMULATED_H
#define SWTDX_SIMULATED_H

/* The key under which the machine's reports are MACed: 32 bytes, known to everybody. */
#define SWTDX_REPORT_KEY      "TDX-ORACLE-REPORT-MAC-KEY-000001"
#define SWTDX_REPORT_KEY_SIZE 32

/* The quoting enclave's vendor id in a quote's header (16 bytes), which is its MRSIGNER too, its
 * user data (20 bytes), and the authentication data that stands in readable form before the
 * certificates: 32 bytes, as real ones have, because verifiers insist on that. */
#define SWTDX_QE_VENDOR	   "SWTDX-SIMULATED!"
#define SWTDX_QE_USER_DATA "swtdx simulated quot"
#define SWTDX_QE_AUTH_DATA "Simulated by swtdx: not from TDX"

/* The quoting enclave's product and security version. */
#define SWTDX_QE_PRODID 2
#define SWTDX_QE_SVN	1

/* The organization in every certificate of the test chain. */
#define SWTDX_CERT_ORG "swtdx test chain (simulated, not Intel)"

#endif
