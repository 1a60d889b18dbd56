/* Values from status, and whose they are. */
#include "libmemhist/proc/pidstatus.h"

#include "libmemhist/proc/bpf_place.h"
#include "libmemhist/proc/listing.h"

#include <linux/kcmp.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	THREADS_TRIED = 32, /* the others of a process are alike, unless they all are exiting */
	OWN_STATUS_MAX = 1 << 20, /* all the groups there can be */
};

static bool is_before_45(const struct mh_root *root)
{
	struct mh_buf text = MH_BUF_INIT(OWN_STATUS_MAX);
	int n = mh_root_read(root, "self/status", &text);
	struct mh_status status;
	bool before;

	before = n > 0 && !mh_parse_status(text.data, (size_t)n, &status) && status.has_vm &&
		 !status.has_parts;
	mh_buf_done(&text);
	return before;
}

void mh_pidstatus_init(struct mh_pidstatus *s, const struct mh_root *root)
{
	struct mh_bpf_place place;

	s->root = root;
	s->fields = MH_FIELDS_ALL;
	if (is_before_45(root))
		s->fields &= ~(MH_FIELDS(FILE) | MH_FIELDS(SHMEM) | MH_FIELDS(ANON));
	s->can_compare = !mh_bpf_place(root, &place, NULL) && !place.namespaces_up;
}

static void set_values(struct mh_pidstatus *s)
{
	const uint64_t page_kib = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	const struct mh_status *status = &s->status;
	uint64_t *value = s->value;

	value[MH_FIELD_RSS] = status->rss_kib / page_kib;
	value[MH_FIELD_VSZ] = status->size_kib / page_kib;
	value[MH_FIELD_SWAP] = status->swap_kib / page_kib;
	value[MH_FIELD_HWM] = status->hwm_kib / page_kib;
	value[MH_FIELD_FILE] = status->file_kib / page_kib;
	value[MH_FIELD_SHMEM] = status->shmem_kib / page_kib;
	value[MH_FIELD_PEAK] = status->peak_kib / page_kib;
	value[MH_FIELD_LOCKED] = status->locked_kib / page_kib;
	value[MH_FIELD_THREADS] = status->threads;
	value[MH_FIELD_ANON] = mh_field_anon(value);
}

/* All values but those of memory, which is another process'. */
static void set_values_without_memory(struct mh_pidstatus *s)
{
	for (int field = 0; field < MH_FIELD_COUNT; field++)
		s->value[field] = 0;
	s->value[MH_FIELD_THREADS] = s->status.threads;
}

/* The memory of a thread in place of that of the first one. Returns whether it has any. */
static bool take_thread(struct mh_pidstatus *s, uint32_t pid, uint32_t thread)
{
	char name[32], text[MH_STATUS_TEXT_MAX];
	struct mh_status status;

	snprintf(name, sizeof(name), "task/%u/status", thread);
	if (mh_pidfile_status(s->root, pid, name, text, &status) || !status.has_vm)
		return false;
	status.name = s->status.name;
	status.name_len = s->status.name_len;
	status.ppid = s->status.ppid;
	status.uid = s->status.uid;
	status.threads = s->status.threads;
	s->status = status;
	s->memory.thread = thread;
	return true;
}

static void find_thread(struct mh_pidstatus *s, uint32_t pid)
{
	uint32_t thread[THREADS_TRIED];
	int fd = mh_pidfile_open(s->root, pid, "task"), n;

	if (fd < 0)
		return;
	n = mh_listing_first(fd, THREADS_TRIED, thread);
	close(fd);
	for (int i = 0; i < n; i++)
		if (thread[i] != pid && take_thread(s, pid, thread[i]))
			return;
}

/* VSZ as statm has it now; 0 when it cannot be read. */
static uint64_t read_vsz(const struct mh_root *root, uint32_t pid)
{
	int fd = mh_pidfile_open(root, pid, "statm");
	struct mh_statm statm = {0};

	if (fd < 0)
		return 0;
	if (mh_pidfile_statm(fd, &statm))
		statm.vsz_pages = 0;
	close(fd);
	return statm.vsz_pages;
}

/*
 * kcmp(2) waits for a process that is changing its memory in exec, and that may hang there, closing
 * files of a server that does not answer. Who has come so far no longer has the size of the other.
 */
static bool use_one_memory(const struct mh_pidstatus *s, uint32_t pid, uint32_t other)
{
	uint64_t vsz_pages = read_vsz(s->root, pid);

	return vsz_pages && vsz_pages == read_vsz(s->root, other) &&
	       !syscall(SYS_kcmp, (pid_t)pid, (pid_t)other, KCMP_VM, 0, 0);
}

int mh_pidstatus_read(struct mh_pidstatus *s, uint32_t pid, const struct mh_memory *hint)
{
	/* before it is read: who does not share now will not later, so what is read is its own */
	const bool shares = s->can_compare && hint->parent && use_one_memory(s, pid, hint->parent);
	int rc = mh_pidfile_status(s->root, pid, "status", s->text, &s->status);

	if (rc)
		return rc;
	s->memory = (struct mh_memory){.parent = shares ? hint->parent : 0};
	if (shares) {
		set_values_without_memory(s);
		return 0;
	}
	if (!s->status.has_vm && s->status.threads > 1 &&
	    !(hint->thread && take_thread(s, pid, hint->thread)))
		find_thread(s, pid);
	set_values(s);
	return 0;
}

void mh_pidstatus_book(struct mh_pidstatus *s, struct mh_table *table, struct mh_process *p)
{
	if (!s->status.has_vm) {
		s->value[MH_FIELD_HWM] = p->value[MH_FIELD_HWM];
		s->value[MH_FIELD_PEAK] = p->value[MH_FIELD_PEAK];
	}
	mh_table_set(table, p, s->value);
}
