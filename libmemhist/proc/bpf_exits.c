/* The reader's end of the ring buffer: libbpf knows how it is laid out. */
#include "libmemhist/proc/bpf_exits.h"

#include "libmemhist/proc/bpf_load.h"

#include "libmemhist/proc/bpf/task_exit.skel.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	RING_BYTES_MAX = 1 << 26,
	/* struct mh_bpf_exit in the ring: behind a header */
	RECORD_BYTES = sizeof(struct mh_bpf_exit) + 8,
};

struct mh_bpf_exits {
	struct task_exit *program;
	struct ring_buffer *ring;
	int capacity; /* records */

	/* of a drain */
	void (*book)(void *arg, const struct mh_bpf_exit *exit);
	void *arg;
	int n;
};

/* Called by libbpf for each record; a negative value ends its loop, behind this record. */
static int take(void *exits_arg, void *record, size_t bytes)
{
	struct mh_bpf_exits *exits = exits_arg;

	if (bytes < sizeof(struct mh_bpf_exit))
		return -EIO;
	exits->book(exits->arg, record);
	return ++exits->n < exits->capacity ? 0 : -EAGAIN;
}

/* The kernel wants whole pages, and a power of two. */
static uint32_t round_up(uint32_t ring_bytes)
{
	uint32_t bytes = (uint32_t)sysconf(_SC_PAGESIZE);

	while (bytes < ring_bytes && bytes < RING_BYTES_MAX)
		bytes *= 2;
	return bytes;
}

/* What serves kernels only on which the memory is gone in the end is left out elsewhere. */
static int leave_out(struct task_exit *program)
{
	int rc = bpf_program__set_autoload(program->progs.process_forks, false);

	if (!rc)
		rc = bpf_program__set_autoload(program->progs.process_execs, false);
	if (!rc)
		rc = bpf_map__set_autocreate(program->maps.begun, false);
	return rc ? rc : bpf_map__set_autocreate(program->maps.ended, false);
}

static int load(struct mh_bpf_exits *exits, const struct mh_bpf_tasks *tasks, uint32_t ring_bytes)
{
	struct mh_bpf_learned learned;
	int rc;

	mh_bpf_tasks_learned(tasks, &learned);
	exits->program = task_exit__open();
	if (!exits->program)
		return -errno;
	memcpy(&exits->program->rodata->config, learned.config, sizeof(*learned.config));
	rc = bpf_map__set_max_entries(exits->program->maps.ring, ring_bytes);
	if (!rc)
		rc = bpf_map__reuse_fd(exits->program->maps.secrets_map, learned.secrets_map);
	if (!rc && learned.ends_with_memory)
		rc = leave_out(exits->program);
	if (!rc)
		rc = task_exit__load(exits->program);
	if (rc)
		return rc;
	exits->ring = ring_buffer__new(bpf_map__fd(exits->program->maps.ring), take, exits, NULL);
	if (!exits->ring)
		return -errno;
	return task_exit__attach(exits->program);
}

int mh_bpf_exits_new(struct mh_bpf_exits **ret, const struct mh_bpf_tasks *tasks,
		     uint32_t ring_bytes, struct mh_err *err)
{
	struct mh_bpf_exits *exits = calloc(1, sizeof(*exits));
	struct mh_bpf_load loading;
	int rc;

	if (!exits)
		return mh_err_sys(err, -ENOMEM, "BPF");
	ring_bytes = round_up(ring_bytes ? ring_bytes : MH_BPF_EXITS_RING_BYTES);
	exits->capacity = (int)(ring_bytes / RECORD_BYTES);
	mh_bpf_load_begin(&loading);
	rc = load(exits, tasks, ring_bytes);
	rc = mh_bpf_load_end(&loading, "BPF record of exits (Linux 5.8 or later)", rc, err);
	if (rc) {
		mh_bpf_exits_free(exits);
		return rc;
	}
	*ret = exits;
	return 0;
}

void mh_bpf_exits_free(struct mh_bpf_exits *exits)
{
	if (!exits)
		return;
	ring_buffer__free(exits->ring);
	task_exit__destroy(exits->program);
	free(exits);
}

int mh_bpf_exits_drain(struct mh_bpf_exits *exits,
		       void (*book)(void *arg, const struct mh_bpf_exit *exit), void *arg)
{
	int rc;

	exits->book = book;
	exits->arg = arg;
	exits->n = 0;
	rc = ring_buffer__consume(exits->ring);
	return rc < 0 && rc != -EAGAIN ? rc : exits->n;
}

uint64_t mh_bpf_exits_dropped(const struct mh_bpf_exits *exits)
{
	return __atomic_load_n(&exits->program->bss->lost, __ATOMIC_RELAXED);
}
