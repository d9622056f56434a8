/* SPDX-License-Identifier: MIT */
/* See tools/root_file.h. */
#include "tools/root_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "tools/file.h"

enum { ROOT_MAX = 65536 };

static int to_pem(X509 *cert, uint8_t **pem, size_t *len)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *data;
	long n;
	int rc = -ENOMEM;

	if (out && PEM_write_bio_X509(out, cert) == 1) {
		n = BIO_get_mem_data(out, &data);
		*pem = malloc((size_t)n + 1);
		if (*pem) {
			memcpy(*pem, data, (size_t)n);
			*len = (size_t)n;
			rc = 0;
		}
	}
	BIO_free(out);
	return rc;
}

int root_file_read(const char *path, uint8_t **pem, size_t *len)
{
	const unsigned char *p;
	uint8_t *bytes;
	X509 *cert;
	int rc = file_read(path, ROOT_MAX, pem, len);

	if (rc)
		return rc;
	bytes = *pem;
	p = bytes;
	cert = d2i_X509(NULL, &p, (long)*len);
	if (!cert)
		return 0;
	rc = to_pem(cert, pem, len);
	X509_free(cert);
	free(bytes);
	return rc;
}
