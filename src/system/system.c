/* SPDX-License-Identifier: MIT */
/* Power on and off, and what the parts tell each other. */
#include "system/system.h"

#include <stdio.h>
#include <stdlib.h>

#include "seamldr/seamldr.h"

struct system *system_new(const struct machine_config *cfg, char *err, size_t errlen)
{
	struct system *sys = calloc(1, sizeof(*sys));
	struct machine_config dflt;

	if (!cfg) {
		machine_default_config(&dflt);
		cfg = &dflt;
	}
	if (!sys) {
		snprintf(err, errlen, "out of memory");
		return NULL;
	}
	sys->m = machine_new(cfg, err, errlen);
	if (!sys->m) {
		free(sys);
		return NULL;
	}
	sys->mod = module_load(sys->m);
	if (!sys->mod) {
		snprintf(err, errlen, "out of memory");
		machine_free(sys->m);
		free(sys);
		return NULL;
	}
	seamldr_power_on(sys->m);
	sys->start_ns = system_now_ns();
	sys->start_ticks = system_ticks();
	system_faults_init(&sys->faults, cfg->seed);
	return sys;
}

void system_free(struct system *sys)
{
	if (!sys)
		return;
	if (sys->engine)
		sys->engine->ops->free(sys->engine);
	module_unload(sys->mod);
	machine_free(sys->m);
	system_faults_destroy(&sys->faults);
	free(sys);
}

static void guest_written(void *arg, const void *page)
{
	struct tdx_engine *engine = arg;

	engine->ops->written(engine, page);
}

static void vcpu_gone(void *arg, hpa_t tdvpr_pa)
{
	struct tdx_engine *engine = arg;

	engine->ops->forget(engine, tdvpr_pa.v);
}

void system_set_engine(struct system *sys, struct tdx_engine *engine)
{
	if (sys->engine)
		sys->engine->ops->free(sys->engine);
	sys->engine = engine;
	sys->m->listener[MACHINE_TELL_ENGINE] = (struct machine_listener){
		engine && engine->ops->written ? guest_written : NULL, engine};
	for (uint32_t i = 0; i < MACHINE_LACKING && engine && engine->ops->lacks; i++)
		engine->ops->lacks(engine, 7, i, &sys->m->cfg.lacking_7[i]);
	module_on_vcpu_gone(sys->mod, engine ? vcpu_gone : NULL, engine);
}

void system_set_real_time(struct system *sys)
{
	sys->m->start_ns = system_now_ns();
	sys->m->cfg.real_time = true;
}
