/* SPDX-License-Identifier: MIT */
/* A machine-check handler asks whose a page is. With BEYOND it wants more than its library has,
 * which must not link. */
#include <stdio.h>

#include <swtdx/host.h>

int main(int argc, char **argv)
{
	static struct tdx_host host;
	const tdx_hpa_t page = tdx_hpa(0x1000);
	char text[64];

	(void)argv;
	if (argc > 1) /* never: there is no processor here */
		printf("%d\n", tdx_host_page_is_private(&host, NULL, page));
#ifdef BEYOND
	if (argc > 1)
		return (int)tdh_phymem_page_reclaim(NULL, page, NULL).raw;
#endif
	printf("%d %s\n", tdx_host_is_pamt(&host, page),
	       tdx_status_format(tdx_status(0), text, sizeof(text)));
	return 0;
}
