/* SPDX-License-Identifier: MIT */
/* The contention matrix as SVG. */
#include "tools/lock_map.h"

enum { CELL = 12, LEFT = 150, TOP = 150, LEGEND = 60 };

static const struct {
	const char *fill, *what;
} shades[] = {
	[CONFLICT_NONE] = {"#eef2f5", "run side by side"},
	[CONFLICT_SAME_PAGE] = {"#f2b66d", "busy on the same page or entry only"},
	[CONFLICT_ALWAYS] = {"#b3302b", "busy within one TD, or everywhere"},
};

static void labels(FILE *f, const struct lock_table *t, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned at = i * CELL + CELL - 3;

		fprintf(f, "<text x=\"%d\" y=\"%u\" text-anchor=\"end\">%s</text>\n", LEFT - 4,
			TOP + at, t[i].subject->name);
		fprintf(f, "<text transform=\"translate(%u,%d) rotate(-90)\">%s</text>\n",
			LEFT + at, TOP - 4, t[i].subject->name);
	}
}

static void cells(FILE *f, const struct lock_table *t, unsigned n)
{
	fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"%u\" height=\"%u\" fill=\"%s\"/>\n", LEFT, TOP,
		n * CELL - 1, n * CELL - 1, shades[CONFLICT_NONE].fill);
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < n; j++) {
			enum lock_resource res = LOCK_NUM_RESOURCES;
			enum lock_conflict c = locktable_conflict(&t[i], &t[j], &res);

			if (c != CONFLICT_NONE)
				fprintf(f,
					"<use href=\"#c%d\" x=\"%u\" y=\"%u\"><title>%s, %s: %s"
					"</title></use>\n",
					(int)c, LEFT + j * CELL, TOP + i * CELL, t[i].subject->name,
					t[j].subject->name, lock_resource_name(res));
		}
}

void lock_map_svg(FILE *f, const struct lock_table *t, unsigned n)
{
	unsigned size = n * CELL, y = TOP + size + 20;

	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
		"font-family=\"sans-serif\" font-size=\"9\">\n"
		"<title>Which TDX calls find each other's locks busy (simulated)</title>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
		LEFT + size + 20, TOP + size + LEGEND);
	fputs("<defs>", f);
	for (int c = CONFLICT_SAME_PAGE; c <= CONFLICT_ALWAYS; c++)
		fprintf(f, "<rect id=\"c%d\" width=\"%d\" height=\"%d\" fill=\"%s\"/>", c, CELL - 1,
			CELL - 1, shades[c].fill);
	fputs("</defs>\n", f);
	labels(f, t, n);
	cells(f, t, n);
	for (unsigned c = 0; c < sizeof(shades) / sizeof(shades[0]); c++)
		fprintf(f,
			"<rect x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\" fill=\"%s\"/>"
			"<text x=\"%u\" y=\"%u\">%s</text>\n",
			LEFT + c * 200, y, CELL, CELL, shades[c].fill, LEFT + c * 200 + CELL + 4,
			y + CELL - 3, shades[c].what);
	fprintf(f, "</svg>\n");
}
