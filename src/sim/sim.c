/* SPDX-License-Identifier: MIT */
/* Machine, engine and monitor, put together as most programs do. */
#include <swtdx/sim.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <swtdx/native.h>
#include <swtdx/x86.h>

struct tdx_sim {
	struct tdx_model *model;
	struct tdx_vmm *vmm;
	const struct tdx_port **cpu;
	struct tdx_sim_config config;
};

static void say(void *arg, const char *line)
{
	const struct tdx_sim *sim = arg;

	if (sim->config.log)
		sim->config.log(sim->config.arg, line);
}

static int power_on(struct tdx_sim *sim, char *err, size_t errlen)
{
	const struct tdx_sim_config *c = &sim->config;
	struct tdx_engine *engine;

	sim->model = tdx_model_new(c->memory, c->cpus, c->packages, c->seed, err, errlen);
	if (!sim->model)
		return -EINVAL;
	engine = c->guest ? tdx_native_engine_new(c->guest, c->guest_arg)
			  : tdx_x86_engine_new(say, sim);
	if (!engine) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	tdx_model_set_engine(sim->model, engine);
	if (c->real_time)
		tdx_model_set_real_time(sim->model);
	return 0;
}

static int start_monitor(struct tdx_sim *sim, char *err, size_t errlen)
{
	struct tdx_range memory[TDX_MAX_CMRS];
	unsigned ncpus = tdx_model_cpus(sim->model);
	struct tdx_vmm_config cfg = {.ncpus = ncpus,
				     .memory = memory,
				     .dynamic_pamt = sim->config.dynamic_pamt,
				     .log = say,
				     .wall_clock = sim->config.real_time,
				     .arg = sim};

	sim->cpu = calloc(ncpus, sizeof(const struct tdx_port *));
	if (!sim->cpu) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	for (unsigned i = 0; i < ncpus; i++)
		sim->cpu[i] = tdx_model_port(sim->model, i);
	cfg.cpus = sim->cpu;
	cfg.nranges = tdx_model_memory(sim->model, memory, TDX_MAX_CMRS);
	return tdx_vmm_new(&cfg, &sim->vmm, err, errlen);
}

int tdx_sim_new(const struct tdx_sim_config *config, struct tdx_sim **out, char *err, size_t errlen)
{
	struct tdx_sim *sim = calloc(1, sizeof(*sim));
	int e;

	*out = NULL;
	if (!sim) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	if (config)
		sim->config = *config;
	e = power_on(sim, err, errlen);
	if (!e)
		e = start_monitor(sim, err, errlen);
	if (e) {
		tdx_sim_free(sim);
		return e;
	}
	*out = sim;
	return 0;
}

void tdx_sim_free(struct tdx_sim *sim)
{
	if (!sim)
		return;
	tdx_vmm_free(sim->vmm);
	tdx_model_free(sim->model);
	free(sim->cpu);
	free(sim);
}

struct tdx_model *tdx_sim_model(struct tdx_sim *sim)
{
	return sim->model;
}

struct tdx_vmm *tdx_sim_vmm(struct tdx_sim *sim)
{
	return sim->vmm;
}
