/* Loading the BPF programs and running them. */
#include "libmemhist/proc/bpf_tasks.h"

#include "libmemhist/proc/bpf_cpus.h"
#include "libmemhist/proc/bpf_load.h"

#include "libmemhist/proc/bpf/task_iter.skel.h"
#include "libmemhist/proc/bpf/task_syscall.skel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	STREAM_BYTES = 64 * 1024, /* the kernel hands over half of it at once */
	RUNS_MAX = 4096,          /* windows of one pass, before it is given up */
};

struct mh_bpf_tasks {
	enum mh_bpf_how how;
	struct mh_bpf_config config;

	struct task_syscall *walk; /* MH_BPF_WALK */
	const struct mh_bpf_task *mapped;
	size_t mapped_bytes;
	uint32_t n_mapped; /* records of the last window */
	uint32_t runs;     /* of this pass */
	bool more;

	struct task_iter *seq; /* MH_BPF_SEQ */
	int stream;            /* or -1 */
	struct mh_bpf_task *buffer;
};

/* --- loading ---------------------------------------------------------------------------------- */

static int run(const struct bpf_program *program)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int rc = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);

	if (rc)
		return rc;
	return opts.retval ? -EIO : 0;
}

static int load_walk(struct mh_bpf_tasks *tasks)
{
	size_t bytes = (size_t)tasks->config.window * sizeof(struct mh_bpf_task);
	void *mapped;
	int rc;

	tasks->walk = task_syscall__open();
	if (!tasks->walk)
		return -errno;
	memcpy(&tasks->walk->rodata->config, &tasks->config, sizeof(tasks->config));
	rc = bpf_map__set_max_entries(tasks->walk->maps.tasks, tasks->config.window);
	if (!rc)
		rc = task_syscall__load(tasks->walk);
	if (rc)
		return rc;
	mapped = mmap(NULL, bytes, PROT_READ, MAP_SHARED, bpf_map__fd(tasks->walk->maps.tasks), 0);
	if (mapped == MAP_FAILED)
		return -errno;
	tasks->mapped = mapped;
	tasks->mapped_bytes = bytes;
	return run(tasks->walk->progs.prepare);
}

/* Let the program look at one buffer of processes: at the first it learns what it has to. */
static int learn_by_seq(struct mh_bpf_tasks *tasks)
{
	int stream = bpf_iter_create(bpf_link__fd(tasks->seq->links.show_task));
	ssize_t bytes;

	if (stream < 0)
		return -errno;
	bytes = read(stream, tasks->buffer, STREAM_BYTES);
	if (bytes <= 0)
		bytes = bytes ? -errno : -EIO;
	close(stream);
	return bytes < 0 ? (int)bytes : 0;
}

static int load_seq(struct mh_bpf_tasks *tasks)
{
	int rc;

	tasks->buffer = malloc(STREAM_BYTES);
	if (!tasks->buffer)
		return -ENOMEM;
	tasks->seq = task_iter__open();
	if (!tasks->seq)
		return -errno;
	memcpy(&tasks->seq->rodata->config, &tasks->config, sizeof(tasks->config));
	rc = task_iter__load(tasks->seq);
	if (!rc)
		rc = task_iter__attach(tasks->seq);
	return rc ? rc : learn_by_seq(tasks);
}

int mh_bpf_tasks_new(struct mh_bpf_tasks **ret, enum mh_bpf_how how,
		     const struct mh_bpf_tasks_config *config, struct mh_err *err)
{
	static const char *const what[] = {
		[MH_BPF_WALK] = "BPF task iterator (Linux 6.7 or later)",
		[MH_BPF_SEQ] = "BPF iter/task (Linux 5.8 or later)",
	};
	struct mh_bpf_tasks *tasks = calloc(1, sizeof(*tasks));
	struct mh_bpf_load load;
	int rc;

	if (!tasks)
		return mh_err_sys(err, -ENOMEM, "BPF");
	if (how == MH_BPF_SEQ && config->namespaces_up) {
		free(tasks);
		return mh_errf(err, -ENOTSUP,
			       "BPF iter/task: it shows our own pid namespace, and the procfs is "
			       "that of an outer one");
	}
	tasks->how = how;
	tasks->stream = -1;
	tasks->config.namespaces_up = config->namespaces_up;
	tasks->config.window = config->window ? config->window : 1;
	tasks->config.n_cpus = mh_bpf_cpus(tasks->config.cpu, config->exact_cpus);
	mh_bpf_load_begin(&load);
	rc = how == MH_BPF_WALK ? load_walk(tasks) : load_seq(tasks);
	rc = mh_bpf_load_end(&load, what[how], rc, err);
	if (rc) {
		mh_bpf_tasks_free(tasks);
		return rc;
	}
	*ret = tasks;
	return 0;
}

void mh_bpf_tasks_free(struct mh_bpf_tasks *tasks)
{
	if (!tasks)
		return;
	if (tasks->mapped)
		munmap((void *)tasks->mapped, tasks->mapped_bytes);
	if (tasks->stream >= 0)
		close(tasks->stream);
	task_syscall__destroy(tasks->walk);
	task_iter__destroy(tasks->seq);
	free(tasks->buffer);
	free(tasks);
}

void mh_bpf_tasks_learned(const struct mh_bpf_tasks *tasks, struct mh_bpf_learned *ret)
{
	const bool walks = tasks->how == MH_BPF_WALK;

	ret->secrets_map = bpf_map__fd(walks ? tasks->walk->maps.secrets_map
					     : tasks->seq->maps.secrets_map);
	ret->config = &tasks->config;
	ret->ends_with_memory = walks ? tasks->walk->bss->learned_ends
				      : tasks->seq->bss->learned_ends;
}

bool mh_bpf_tasks_are_exact(const struct mh_bpf_tasks *tasks)
{
	return tasks->config.n_cpus > 0;
}

/* --- the walk --------------------------------------------------------------------------------- */

/* Run the program once: the window after the process `after`, or the first one. */
static int run_walk(struct mh_bpf_tasks *tasks, const struct mh_bpf_task *after)
{
	struct mh_bpf_window *window = &tasks->walk->bss->window;

	if (++tasks->runs > RUNS_MAX)
		return -EAGAIN;
	window->after_pid = after ? after->pid : 0;
	window->after_start_ns = after ? after->start_ns : 0;
	return run(tasks->walk->progs.read_tasks);
}

/*
 * The window after the last record of the one before or, when that process has ended meanwhile,
 * after the last that has not.
 */
static int next_window(struct mh_bpf_tasks *tasks, const struct mh_bpf_task **ret)
{
	const struct mh_bpf_window *window = &tasks->walk->bss->window;

	if (!tasks->more)
		return 0;
	do {
		uint32_t n = tasks->n_mapped;
		int rc = run_walk(tasks, n ? &tasks->mapped[n - 1] : NULL);

		if (rc)
			return rc;
		if (!window->found)
			tasks->n_mapped--;
	} while (!window->found);
	tasks->n_mapped = window->n;
	tasks->more = window->more;
	*ret = tasks->mapped;
	return (int)window->n;
}

/* --- the stream ------------------------------------------------------------------------------- */

static void end_stream(struct mh_bpf_tasks *tasks)
{
	if (tasks->stream >= 0)
		close(tasks->stream);
	tasks->stream = -1;
}

static int next_of_stream(struct mh_bpf_tasks *tasks, const struct mh_bpf_task **ret)
{
	ssize_t bytes;

	if (tasks->stream < 0)
		return 0;
	bytes = read(tasks->stream, tasks->buffer, STREAM_BYTES);
	if (bytes > 0 && (size_t)bytes % sizeof(*tasks->buffer)) {
		bytes = -1;
		errno = EIO;
	}
	if (bytes <= 0) {
		int rc = bytes ? -errno : 0;

		end_stream(tasks);
		return rc;
	}
	*ret = tasks->buffer;
	return (int)((size_t)bytes / sizeof(*tasks->buffer));
}

/* --- both ------------------------------------------------------------------------------------- */

int mh_bpf_tasks_begin(struct mh_bpf_tasks *tasks)
{
	if (tasks->how == MH_BPF_WALK) {
		tasks->n_mapped = 0;
		tasks->runs = 0;
		tasks->more = true;
		return 0;
	}
	end_stream(tasks);
	tasks->stream = bpf_iter_create(bpf_link__fd(tasks->seq->links.show_task));
	return tasks->stream < 0 ? -errno : 0;
}

int mh_bpf_tasks_next(struct mh_bpf_tasks *tasks, const struct mh_bpf_task **ret)
{
	return tasks->how == MH_BPF_WALK ? next_window(tasks, ret) : next_of_stream(tasks, ret);
}
