/* SPDX-License-Identifier: MIT */
/* Structures in files for swtdx decode: a TDREPORT, TD_PARAMS, the TDX metadata of an image. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/attest.h>
#include <swtdx/measure.h>
#include <swtdx/structs.h>

#include "decode.h"
#include "file.h"
#include "tools/verbs.h"

/* The bytes, with *told what a refusal of them ends with. */
static uint8_t *load(const char *path, size_t *size, int *told)
{
	uint8_t *data;
	int rc = file_read(path, TDX_TDVF_MAX_IMAGE + 1, &data, size);

	*told = rc ? file_complain("decode", path, rc) : VERB_DIFFERENCE;
	return rc ? NULL : data;
}

static void sheet_bytes(json_t *sheet, const char *key, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	char text[2 * 128 + 1];

	for (size_t i = 0; i < n && i < 128; i++)
		snprintf(text + 2 * i, 3, "%02x", p[i]);
	sheet_text(sheet, key, text);
}

static void report_field(json_t *sheet, const uint8_t *bytes, const struct tdx_attest_field *f)
{
	uint64_t word = 0;

	if (!f->word) {
		sheet_bytes(sheet, f->name, bytes + f->offset, f->size);
		return;
	}
	memcpy(&word, bytes + f->offset, f->size < 8 ? f->size : 8);
	sheet_hex(sheet, f->name, word);
}

json_t *decode_report(char **words, int n, int *told)
{
	const char *path = words[0];
	const struct tdx_attest_field *fields;
	char why[TDX_ATTEST_ERROR_TEXT];
	struct tdx_attest_error err;
	struct tdx_report r;
	json_t *sheet;
	uint8_t *data;
	size_t size, nr_fields;

	data = load(path, &size, told);
	if (!data)
		return NULL;
	if (tdx_report_parse(data, size, &r, &err)) {
		fprintf(stderr, "swtdx decode: %s: %s\n", path,
			tdx_attest_error_text(&err, why, sizeof(why)));
		free(data);
		return NULL;
	}
	sheet = json_object();
	sheet_text(sheet, "TDREPORT", path);
	fields = tdx_report_fields(&nr_fields);
	for (size_t i = 0; i < nr_fields; i++)
		report_field(sheet, data, &fields[i]);
	sheet_bits(sheet, "TD attributes", r.td_info.attributes, tdx_attribute_name);
	sheet_bits(sheet, "TD xfam", r.td_info.xfam, tdx_xfam_name);
	sheet_text(sheet, "hashes",
		   tdx_report_verify(&r, NULL, 0, &err)
			   ? tdx_attest_error_text(&err, why, sizeof(why))
			   : "both match");
	sheet_text(sheet, "origin",
		   tdx_report_verify(&r, SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE, &err)
			   ? "not this simulation; only its own platform can check the MAC"
			   : "simulated: the MAC is made with swtdx's public key");
	free(data);
	return sheet;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n && !*p) {
		p++;
		n--;
	}
	return !n;
}

static void params_cpuid(json_t *sheet, const struct tdx_td_params *p)
{
	json_t *values = json_array();
	char text[96];

	for (unsigned i = 0; i < TDX_TD_PARAMS_CPUIDS; i++) {
		const struct tdx_cpuid_values *v = &p->cpuid[i];

		if (!(v->eax | v->ebx | v->ecx | v->edx))
			continue;
		snprintf(text, sizeof(text), "[%u] %08x %08x %08x %08x", i, v->eax, v->ebx, v->ecx,
			 v->edx);
		json_array_append_new(values, json_string(text));
	}
	if (json_array_size(values))
		json_object_set(sheet, "cpuid", values);
	json_decref(values);
}

json_t *decode_params(char **words, int n, int *told)
{
	const char *path = words[0];
	struct tdx_td_params p;
	json_t *sheet;
	uint8_t *data;
	size_t size;

	data = load(path, &size, told);
	if (!data)
		return NULL;
	if (size != sizeof(p)) {
		fprintf(stderr, "swtdx decode: %s: TD_PARAMS have %zu bytes, not %zu\n", path,
			sizeof(p), size);
		free(data);
		return NULL;
	}
	memcpy(&p, data, sizeof(p));
	free(data);
	sheet = json_object();
	sheet_text(sheet, "TD_PARAMS", path);
	sheet_bits(sheet, "attributes", p.attributes, tdx_attribute_name);
	sheet_bits(sheet, "xfam", p.xfam, tdx_xfam_name);
	sheet_number(sheet, "max_vcpus", p.max_vcpus);
	sheet_number(sheet, "num_l2_vms", p.num_l2_vms);
	sheet_hex(sheet, "msr_config", p.msr_config_ctls);
	sheet_hex(sheet, "eptp_controls", p.eptp_controls);
	sheet_bits(sheet, "config_flags", p.config_flags, tdx_config_flag_name);
	sheet_number(sheet, "tsc_mhz", p.tsc_frequency * 25u);
	sheet_bytes(sheet, "mrconfigid", &p.mrconfigid, sizeof(p.mrconfigid));
	sheet_bytes(sheet, "mrowner", &p.mrowner, sizeof(p.mrowner));
	sheet_bytes(sheet, "mrownerconfig", &p.mrownerconfig, sizeof(p.mrownerconfig));
	sheet_hex(sheet, "arch_caps", p.ia32_arch_capabilities_config);
	params_cpuid(sheet, &p);
	if (!is_zero(p.zero0, sizeof(p.zero0)) || !is_zero(p.zero1, sizeof(p.zero1)) ||
	    !is_zero(p.zero2, sizeof(p.zero2)))
		sheet_text(sheet, "note", "reserved bytes are set: TDH.MNG.INIT refuses this");
	return sheet;
}

json_t *decode_image(char **words, int n, int *told)
{
	const char *path = words[0];
	char why[TDX_TDVF_ERROR_TEXT];
	struct tdx_tdvf_error err;
	struct tdx_tdvf t;
	json_t *sheet;
	uint8_t *data;
	size_t size;
	int rc;

	data = load(path, &size, told);
	if (!data)
		return NULL;
	rc = tdx_tdvf_parse(data, size, &t, &err);
	free(data);
	if (rc) {
		fprintf(stderr, "swtdx decode: %s: %s\n", path,
			tdx_tdvf_error_text(&err, why, sizeof(why)));
		return NULL;
	}
	sheet = json_object();
	sheet_text(sheet, "image", path);
	sheet_hex(sheet, "metadata at", t.descriptor_offset);
	for (unsigned i = 0; i < t.nr_sections; i++) {
		const struct tdx_tdvf_section *s = &t.section[i];
		char key[24], text[160];

		snprintf(key, sizeof(key), "section %u", i);
		snprintf(text, sizeof(text),
			 "%s: 0x%" PRIx32 "+0x%" PRIx32 " of the image at GPA 0x%" PRIx64
			 "+0x%" PRIx64 "%s%s",
			 tdx_tdvf_type_name(s->type), s->data_offset, s->raw_size, s->memory.v,
			 s->memory_size,
			 s->attributes & TDX_TDVF_ATTR_MR_EXTEND ? ", measured" : "",
			 s->attributes & TDX_TDVF_ATTR_PAGE_AUG ? ", added after finalize" : "");
		sheet_text(sheet, key, text);
	}
	sheet_text(sheet, "see also", "swtdx measure, for its MRTD");
	return sheet;
}
