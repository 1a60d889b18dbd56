/* The made-up machine, and the shadow that believes only the lists of snapshots. */
#include "tests/unit/world.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint32_t world_random(struct world *w, uint32_t n)
{
	/* splitmix64 */
	uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) % n);
}

void world_init(struct world *w, uint64_t seed)
{
	static const char *const keys[] = {"MemTotal", "MemFree", "Active(anon)",
					   "HugePages_Total"};

	*w = (struct world){
		.random = seed,
		.now = {.wall_ms = 1795206528502, .boot_ns = 1000000000},
		.max_pid = 60,
		.target = 30,
		.interval_ms = 1000,
		.lagging = seed % 2 ? MH_FIELDS_ALL & ~(MH_FIELDS(RSS) | MH_FIELDS(VSZ)) : 0,
	};
	if (mh_table_new(&w->table, 0))
		abort();
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		mh_meminfo_add(&w->meminfo, keys[i], strlen(keys[i]), i < 3, i * 1000);
}

void world_done(struct world *w)
{
	mh_table_free(w->table);
}

/* Command lines are made in `cmdline`. */
static void make_names(struct world *w, char cmdline[64], struct mh_names *ret)
{
	static const char *const comms[] = {"bash", "a) R 1 1 (", "x\ny", "\xff\xfe", ""};
	static const char *const paths[] = {"", "/usr/bin/bash", "/system.slice/x\\x2dy.service"};
	const char *exe = paths[world_random(w, 2)], *cgroup = paths[world_random(w, 3)];
	const char *comm = comms[world_random(w, 5)];

	*ret = (struct mh_names){
		.ppid = world_random(w, 5),
		.uid = world_random(w, 3) ? 0 : 4294967295u,
		.comm = comm,
		.comm_len = strlen(comm),
		.cmdline = cmdline,
		.exe = exe,
		.exe_len = strlen(exe),
		.cgroup = cgroup,
		.cgroup_len = strlen(cgroup),
	};
	ret->cmdline_len = (size_t)snprintf(cmdline, 64, "%s%c--id=%u", comm, 0,
					    world_random(w, 20));
	if (!world_random(w, 4))
		ret->cmdline_len = 0;
}

static void give_names(struct world *w, struct mh_process *p)
{
	struct mh_names names;
	char cmdline[64];

	make_names(w, cmdline, &names);
	mh_table_rename(w->table, p, &names);
}

static void give_values(struct world *w, struct mh_process *p)
{
	uint64_t value[MH_FIELD_COUNT] = {0};

	for (int i = 0; i < MH_FIELD_COUNT; i++)
		if (mh_fields[i].column)
			value[i] = world_random(w, 3) ? world_random(w, 5000) : 0;
	if (!world_random(w, 50))
		value[MH_FIELD_VSZ] = UINT64_MAX - world_random(w, 3);
	if (w->has_marks && !value[MH_FIELD_HWM])
		value[MH_FIELD_HWM] = 1;
	value[MH_FIELD_ANON] = mh_field_anon(value);
	mh_table_set(w->table, p, value);
}

static void bear(struct world *w)
{
	/* few start times: twins must happen */
	struct mh_identity id = {
		.pid = 1 + world_random(w, w->max_pid),
		.start_ticks = w->now.boot_ns / 1000000000 + world_random(w, 2),
	};
	struct mh_process *p = mh_table_find(w->table, id.pid);

	if (p)
		mh_table_remove(w->table, p);
	if (mh_table_add(w->table, &id, &p))
		abort();
	give_names(w, p);
	give_values(w, p);
}

/* A process that no listing shows; of pids that others never have. */
static void bear_brief(struct world *w)
{
	const struct mh_identity id = {
		.pid = w->max_pid + 1 + world_random(w, 3),
		.start_ticks = w->now.boot_ns / 1000000000 + world_random(w, 2),
	};
	const uint64_t value[MH_FIELD_COUNT] = {
		[MH_FIELD_HWM] = world_random(w, 3) * 100,
		[MH_FIELD_PEAK] = world_random(w, 3) * 1000,
	};
	struct mh_names names;
	char cmdline[64];

	make_names(w, cmdline, &names);
	if (mh_table_add_brief(w->table, &id, &names, value))
		abort();
}

const struct mh_snapshot *world_step(struct world *w)
{
	struct mh_round round = {
		.fields = MH_FIELDS_ALL,
		.lagging = w->lagging,
		.collect_us = world_random(w, 1000),
		.partial = !world_random(w, 10),
		.meminfo = &w->meminfo,
	};
	uint32_t births;

	w->now.wall_ms += w->interval_ms;
	w->now.boot_ns += (mh_boot_ns_t)w->interval_ms * 1000000;
	mh_table_begin(w->table, w->now);
	for (uint32_t pid = 1; pid <= w->max_pid; pid++) {
		struct mh_process *p = mh_table_find(w->table, pid);

		if (!p)
			continue;
		switch (world_random(w, 20)) {
		case 0:
			/* its end is seen: it was larger once than any snapshot says */
			if (world_random(w, 2))
				mh_table_set_one(w->table, p, MH_FIELD_HWM,
						 p->value[MH_FIELD_HWM] + world_random(w, 3));
			mh_table_remove(w->table, p);
			break;
		case 1:
			give_names(w, p);
			break;
		case 2:
		case 3:
		case 4:
			give_values(w, p);
			break;
		default:
			break;
		}
	}
	births = mh_table_live(w->table) < w->target ? 1 + world_random(w, 5 + w->target / 4) : 0;
	while (births--)
		bear(w);
	for (uint32_t n = world_random(w, 4); n > 1; n--)
		bear_brief(w);
	for (uint32_t i = 0; i < w->meminfo.n; i++)
		if (!world_random(w, 3))
			w->meminfo.line[i].value = world_random(w, 100000);
	return mh_table_end(w->table, &round);
}

static void describe_process(struct mh_buf *out, const struct mh_process *p, mh_fields_t fields)
{
	mh_buf_printf(out, "%u/%u/%" PRIu64 " ppid %u uid %u comm ", p->id.pid, p->id.twin,
		      p->id.start_ticks, p->ppid, p->uid);
	mh_buf_add(out, p->comm, p->comm_len);
	mh_buf_adds(out, " cmdline ");
	if (p->cmdline_len)
		mh_buf_add(out, p->cmdline, p->cmdline_len);
	mh_buf_printf(out, " exe %s cgroup %s", p->exe ? p->exe->bytes : "-",
		      p->cgroup ? p->cgroup->bytes : "-");
	for (int i = 0; i < MH_FIELD_COUNT; i++)
		if (mh_fields_have(fields, i)) /* else it is missing, whatever stands there */
			mh_buf_printf(out, " %s %" PRIu64, mh_fields[i].name, p->value[i]);
	mh_buf_addc(out, '\n');
}

static int by_pid(const void *a, const void *b)
{
	const struct mh_process *const *x = a, *const *y = b;

	return (*x)->id.pid < (*y)->id.pid ? -1 : 1;
}

static void describe_all(struct mh_buf *out, const struct mh_process *process, uint32_t n,
			 mh_fields_t fields)
{
	const struct mh_process **sorted = calloc(n + 1, sizeof(struct mh_process *));
	size_t k = 0;

	if (!sorted)
		abort();
	for (uint32_t i = 0; i < n; i++)
		if (process[i].id.pid)
			sorted[k++] = &process[i];
	qsort(sorted, k, sizeof(*sorted), by_pid);
	for (size_t i = 0; i < k; i++)
		describe_process(out, sorted[i], fields);
	free(sorted);
}

static void describe_rest(struct mh_buf *out, const struct mh_snapshot *s)
{
	mh_buf_printf(out, "at %" PRId64 " %" PRIu64 " partial %d us %u fields %x %x\n",
		      s->at.wall_ms, s->at.boot_ns, s->partial, s->collect_us, s->fields,
		      s->lagging);
	for (uint32_t i = 0; s->meminfo && i < s->meminfo->n; i++)
		mh_buf_printf(out, "%s %d %" PRIu64 "\n", s->meminfo->line[i].key,
			      s->meminfo->line[i].is_kib, s->meminfo->line[i].value);
	for (uint32_t i = 0; i < s->n_brief; i++) {
		mh_buf_adds(out, "brief ");
		describe_process(out, &s->brief[i], s->fields);
	}
}

void describe(struct mh_buf *out, const struct mh_snapshot *s)
{
	describe_rest(out, s);
	describe_all(out, s->process, s->n_slots, s->fields);
}

void shadow_done(struct shadow *sh)
{
	for (uint32_t i = 0; i < sh->cap; i++)
		mh_process_done(&sh->process[i], &sh->pool);
	free(sh->process);
	mh_strpool_done(&sh->pool);
	*sh = (struct shadow){0};
}

static void copy_process(struct shadow *sh, uint32_t slot, const struct mh_process *from)
{
	struct mh_process *to = &sh->process[slot], old = *to;
	struct mh_names names;

	*to = *from;
	to->cmdline = NULL;
	to->cmdline_len = to->comm_len = 0;
	to->exe = to->cgroup = NULL;
	mh_names_of(from, &names);
	if (mh_names_give(&names, to, &sh->pool) < 0)
		abort();
	mh_process_done(&old, &sh->pool);
}

void shadow_follow(struct shadow *sh, const struct mh_snapshot *s)
{
	if (s->n_slots > sh->cap) {
		sh->process = reallocarray(sh->process, s->n_slots, sizeof(*sh->process));
		if (!sh->process)
			abort();
		memset(sh->process + sh->cap, 0, (s->n_slots - sh->cap) * sizeof(*sh->process));
		sh->cap = s->n_slots;
	}
	for (uint32_t i = 0; i < s->n_gone; i++) {
		struct mh_process *p = &sh->process[s->gone[i].slot];

		if (!mh_identity_same(&p->id, &s->gone[i].process.id))
			abort();
		mh_process_done(p, &sh->pool);
		*p = (struct mh_process){0};
	}
	for (uint32_t i = 0; i < s->n_born; i++) {
		if (sh->process[s->born[i]].id.pid)
			abort();
		copy_process(sh, s->born[i], &s->process[s->born[i]]);
	}
	for (uint32_t i = 0; i < s->n_renamed; i++) {
		struct mh_process *p = &sh->process[s->renamed[i]];
		uint64_t value[MH_FIELD_COUNT];

		memcpy(value, p->value, sizeof(value));
		copy_process(sh, s->renamed[i], &s->process[s->renamed[i]]);
		memcpy(p->value, value, sizeof(value));
	}
	for (uint32_t i = 0; i < s->n_changed; i++)
		memcpy(sh->process[s->changed[i]].value, s->process[s->changed[i]].value,
		       sizeof(sh->process->value));
}

void shadow_describe(struct mh_buf *out, const struct shadow *sh, const struct mh_snapshot *s)
{
	describe_rest(out, s);
	describe_all(out, sh->process, sh->cap, s->fields);
}

static bool in_memory;

void temp_in_memory(bool is_wanted)
{
	in_memory = is_wanted;
}

/* tests/apart says where, and takes away what is left there. */
static const char *temp_base(void)
{
	const char *base = getenv("TEST_MEMORY");

	if (in_memory && base && *base)
		return base;
	if (in_memory && !access("/dev/shm", W_OK))
		return "/dev/shm";
	base = getenv("TMPDIR");
	return base && *base ? base : "/tmp";
}

const char *temp_dir(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/memhist-test-XXXXXX", temp_base());
	if (!mkdtemp(path))
		abort();
	return path;
}

void remove_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}
