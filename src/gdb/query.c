/* SPDX-License-Identifier: MIT */
/* What gdb asks about the server and its threads: the commands that begin with q. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gdb/internal.h"

unsigned gdb_first_thread(const struct gdb *g)
{
	for (unsigned i = 0; i < g->cfg.nvcpus; i++)
		if (!g->vcpu[i].gone)
			return i;
	return 0;
}

static void part(struct gdb *g, const char *text)
{
	char xml[8192], *end;
	size_t all = gdb_description(xml, sizeof(xml)), at = strtoul(text, &end, 16);
	size_t len = *end == ',' ? strtoul(end + 1, NULL, 16) : 0;

	if (len > GDB_PACKET - 8)
		len = GDB_PACKET - 8;
	if (at >= all)
		strcpy(g->out, "l");
	else
		snprintf(g->out, sizeof(g->out), "%c%.*s", at + len < all ? 'm' : 'l', (int)len,
			 xml + at);
}

static void monitor(struct gdb *g, const char *hex)
{
	char command[64] = "", text[300];
	size_t len = strlen(hex) / 2;

	if (len >= sizeof(command) || !gdb_unhex(hex, command, len))
		command[0] = '\0';
	if (strcmp(command, "status") == 0)
		snprintf(text, sizeof(text), "%s\n",
			 g->refusal[0] ? g->refusal : "nothing was refused");
	else
		snprintf(text, sizeof(text), "monitor status: what the TDX module refused last\n");
	gdb_hex(g->out, text, strlen(text));
}

void gdb_query(struct gdb *g, const char *q)
{
	static const char xfer[] = "qXfer:features:read:target.xml:";
	char text[32];

	if (strncmp(q, "qSupported", 10) == 0) {
		snprintf(g->out, sizeof(g->out),
			 "PacketSize=%x;qXfer:features:read+;swbreak+;hwbreak+;vContSupported+;"
			 "QStartNoAckMode+",
			 GDB_PACKET);
	} else if (strncmp(q, xfer, sizeof(xfer) - 1) == 0) {
		part(g, q + sizeof(xfer) - 1);
	} else if (strcmp(q, "qC") == 0) {
		snprintf(g->out, sizeof(g->out), "QC%x", g->current + 1);
	} else if (strcmp(q, "qAttached") == 0) {
		strcpy(g->out, "1");
	} else if (strcmp(q, "qfThreadInfo") == 0) {
		for (unsigned i = 0; i < g->cfg.nvcpus; i++)
			if (!g->vcpu[i].gone) {
				size_t n = strlen(g->out);

				snprintf(g->out + n, sizeof(g->out) - n, "%c%x", n ? ',' : 'm',
					 i + 1);
			}
	} else if (strcmp(q, "qsThreadInfo") == 0) {
		strcpy(g->out, "l");
	} else if (strncmp(q, "qThreadExtraInfo,", 17) == 0) {
		snprintf(text, sizeof(text), "vCPU %lu", (strtoul(q + 17, NULL, 16) - 1) & 0xff);
		gdb_hex(g->out, text, strlen(text));
	} else if (strncmp(q, "qRcmd,", 6) == 0) {
		monitor(g, q + 6);
	}
}
