/* SPDX-License-Identifier: MIT */
/* The report MAC and CPUSVN of the simulated platform. The key is public and marked: a report of
 * this machine proves nothing, which is the point. */
#include <openssl/hmac.h>
#include <string.h>

#include <swtdx/simulated.h>

#include "machine/machine.h"

void machine_report_mac(const struct machine *m, const void *data, size_t len, uint8_t mac[32])
{
	unsigned out = 32;

	HMAC(EVP_sha256(), SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE, data, len, mac, &out);
}

void machine_cpusvn(const struct machine *m, uint8_t svn[16])
{
	static const uint8_t simulated[8] = {6, 6, 2, 2, 3, 1, 0, 3};

	memset(svn, 0, 16);
	memcpy(svn, simulated, sizeof(simulated));
}
