/* memhist dump: a history as JSON, one line per snapshot, gap and damaged place, as stored. */
#include "tools/commands.h"
#include "tools/json.h"
#include "tools/outfile.h"
#include "tools/pass.h"
#include "tools/range.h"
#include "tools/settings.h"
#include "tools/tool.h"

#include "libmemhist/history/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct config {
	const char *history;
	struct range_words when;
	bool utc;
	bool full;
	const char *output;
};

static const struct option options[] = {
	{OPTION_TEXT(struct config, history), 0, "history", "DIR",
	 "the history to dump [" DEFAULT_HISTORY "]"},
	RANGE_OPTIONS(" [everything]"),
	{OPTION_FLAG(struct config, utc), 0, "utc", NULL,
	 "times given are UTC (those shown always are)"},
	{OPTION_FLAG(struct config, full), 0, "full", NULL,
	 "every process and meminfo, not only what changed"},
	{OPTION_TEXT(struct config, output), 'o', "output", "FILE", "- is standard output [-]"},
	{0},
};

static int take(void *arg, int id, const char *const value[OPTION_VALUES_MAX], struct mh_err *err)
{
	struct config *c = arg;

	return range_take(&c->when, id, value, err);
}

struct dump {
	const struct config *config;
	struct outfile out;
	struct mh_reader *reader;
};

static void end_line(struct dump *d)
{
	mh_buf_addc(&d->out.buf, '\n');
}

static void on_damage(void *arg, const struct mh_damage *damage)
{
	struct dump *d = arg;
	struct mh_buf *b = &d->out.buf;

	json_open(b, NULL, '{');
	json_string(b, "type",
		    damage->unreadable ? "unreadable"
		    : damage->torn     ? "torn"
				       : "damage");
	json_string(b, "file", damage->file);
	json_number(b, "offset", damage->offset);
	json_number(b, "bytes", damage->bytes);
	json_string(b, "reason", damage->reason);
	json_close(b, '}');
	end_line(d);
}

static void write_gap(struct dump *d, const struct mh_snapshot *s)
{
	struct mh_buf *b = &d->out.buf;

	json_open(b, NULL, '{');
	json_string(b, "type", "gap");
	json_string(b, "kind", mh_gap_name(s->gap.kind));
	json_time(b, "since", s->gap.since_wall_ms);
	json_time(b, "until", s->at.wall_ms);
	json_close(b, '}');
	end_line(d);
}

static void write_identity(struct mh_buf *b, const struct mh_identity *id)
{
	json_number(b, "pid", id->pid);
	json_number(b, "start_ticks", id->start_ticks);
	if (id->twin)
		json_number(b, "twin", id->twin);
}

/* The arguments of a command line as an array. */
static void write_cmdline(struct mh_buf *b, const char *bytes, size_t len)
{
	json_open(b, "cmdline", '[');
	while (len) {
		const char *end = memchr(bytes, 0, len);
		size_t n = end ? (size_t)(end - bytes) : len;

		json_text(b, NULL, bytes, n);
		n += end != NULL;
		bytes += n;
		len -= n;
	}
	json_close(b, ']');
}

static void write_names(struct mh_buf *b, const struct mh_process *p)
{
	json_number(b, "ppid", p->ppid);
	json_number(b, "uid", p->uid);
	json_text(b, "comm", p->comm, p->comm_len);
	write_cmdline(b, p->cmdline, p->cmdline_len);
	if (p->exe)
		json_text(b, "exe", p->exe->bytes, p->exe->len);
	if (p->cgroup)
		json_text(b, "cgroup", p->cgroup->bytes, p->cgroup->len);
}

static void write_values(struct mh_buf *b, mh_fields_t fields, const struct mh_process *p,
			 uint32_t page_bytes)
{
	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		char key[32];

		if (!mh_fields_have(fields, field))
			continue;
		snprintf(key, sizeof(key), "%s%s", mh_fields[field].name,
			 mh_fields[field].unit == MH_UNIT_PAGES ? "_bytes" : "");
		json_number(b, key, mh_field_shown(field, p->value[field], page_bytes));
	}
}

enum parts { NAMES = 1, VALUES = 2, MARKS = 4 };

/* The marks that are known of a process that has ended. */
static mh_fields_t known_marks(const struct mh_snapshot *s, const struct mh_process *p)
{
	mh_fields_t known = 0;

	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		int mark = mh_fields[field].mark;

		if (mark != MH_FIELD_NONE && mh_fields_have(s->fields, mark) && p->value[mark])
			known |= (mh_fields_t)1 << mark;
	}
	return known;
}

static void write_process(struct mh_buf *b, const struct mh_snapshot *s, const struct mh_process *p,
			  enum parts parts, uint32_t page_bytes)
{
	json_open(b, NULL, '{');
	write_identity(b, &p->id);
	if (parts & NAMES)
		write_names(b, p);
	if (parts & VALUES)
		write_values(b, s->fields, p, page_bytes);
	if (parts & MARKS)
		write_values(b, known_marks(s, p), p, page_bytes);
	json_close(b, '}');
}

static void write_slots(struct mh_buf *b, const char *key, const struct mh_snapshot *s,
			const uint32_t *slots, uint32_t n, enum parts parts, uint32_t page_bytes)
{
	if (!n)
		return;
	json_open(b, key, '[');
	for (uint32_t i = 0; i < n; i++)
		write_process(b, s, &s->process[slots[i]], parts, page_bytes);
	json_close(b, ']');
}

static void write_everybody(struct mh_buf *b, const struct mh_snapshot *s, uint32_t page_bytes)
{
	json_open(b, "processes", '[');
	mh_snapshot_for_each (s, slot)
		write_process(b, s, &s->process[slot], NAMES | VALUES, page_bytes);
	json_close(b, ']');
}

static void write_changes(struct mh_buf *b, const struct mh_snapshot *s, uint32_t page_bytes)
{
	if (s->n_gone) {
		json_open(b, "gone", '[');
		for (uint32_t i = 0; i < s->n_gone; i++)
			write_process(b, s, &s->gone[i].process, MARKS, page_bytes);
		json_close(b, ']');
	}
	if (s->n_brief) {
		json_open(b, "brief", '[');
		for (uint32_t i = 0; i < s->n_brief; i++)
			write_process(b, s, &s->brief[i], NAMES | MARKS, page_bytes);
		json_close(b, ']');
	}
	write_slots(b, "born", s, s->born, s->n_born, NAMES | VALUES, page_bytes);
	write_slots(b, "renamed", s, s->renamed, s->n_renamed, NAMES, page_bytes);
	write_slots(b, "changed", s, s->changed, s->n_changed, VALUES, page_bytes);
}

static void write_meminfo(struct mh_buf *b, const struct mh_meminfo *m)
{
	if (!m)
		return;
	json_open(b, "meminfo", '{');
	for (uint32_t i = 0; i < m->n; i++) {
		char key[MH_MEMINFO_KEY_MAX + 8];

		snprintf(key, sizeof(key), "%s%s", m->line[i].key, m->line[i].is_kib ? "_kib" : "");
		json_number(b, key, m->line[i].value);
	}
	json_close(b, '}');
}

static void write_boot_id(struct mh_buf *b, const struct mh_boot_id *id)
{
	char hex[2 * MH_BOOT_ID_BYTES + 1];

	for (size_t i = 0; i < MH_BOOT_ID_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", id->bytes[i]);
	json_string(b, "boot_id", hex);
}

static void write_snapshot(struct dump *d, const struct mh_snapshot *s)
{
	struct mh_buf *b = &d->out.buf;
	uint32_t page_bytes = mh_reader_segment(d->reader)->page_bytes;
	struct mh_place place;

	mh_reader_place(d->reader, &place);
	json_open(b, NULL, '{');
	json_string(b, "type", "snapshot");
	json_string(b, "file", place.file);
	json_number(b, "offset", place.offset);
	json_number(b, "bytes", place.size);
	json_number(b, "seq", place.seq);
	json_bool(b, "key", place.key);
	json_time(b, "time", s->at.wall_ms);
	json_signed(b, "wall_ms", s->at.wall_ms);
	json_number(b, "boot_ns", s->at.boot_ns);
	write_boot_id(b, &s->boot_id);
	json_number(b, "collect_us", s->collect_us);
	json_bool(b, "partial", s->partial);
	json_number(b, "live", s->n_live);
	if (d->config->full) {
		write_meminfo(b, s->meminfo);
		write_everybody(b, s, page_bytes);
	} else {
		write_changes(b, s, page_bytes);
	}
	json_close(b, '}');
	end_line(d);
}

static int read_all(struct dump *d, struct mh_err *err)
{
	const struct mh_snapshot *s;
	int rc;

	while ((rc = mh_reader_next(d->reader, &s, err)) > 0) {
		if (s->gap.kind != MH_GAP_NONE)
			write_gap(d, s);
		write_snapshot(d, s);
		rc = tool_interrupted() ? -EINTR : outfile_pump(&d->out, err);
		if (rc)
			return rc;
	}
	return rc;
}

static int dump(const struct config *c, const struct range *range, struct mh_reader_stats *stats,
		struct mh_err *err)
{
	struct dump d = {.config = c, .out = {.fd = -1}};
	struct mh_reader_options reading = {
		.since_ms = range->since_ms,
		.until_ms = range->until_ms,
		.damage = on_damage,
		.arg = &d,
	};
	int rc = outfile_open(&d.out, c->output, c->history, err);

	if (!rc)
		rc = mh_reader_open(&d.reader, c->history, &reading, err);
	if (!rc)
		rc = read_all(&d, err);
	if (d.reader)
		mh_reader_stats(d.reader, stats);
	if (!rc && !stats->snapshots && !stats->damages)
		rc = range_no_data(c->history, range, c->utc, stats, err);
	if (!rc)
		rc = outfile_commit(&d.out, err);
	mh_reader_close(d.reader);
	outfile_done(&d.out);
	return rc;
}

static int run(int argc, char **argv)
{
	struct config c = {.output = "-"};
	struct mh_reader_stats stats = {0};
	struct range range;
	struct mh_err err = {""};
	int rc, status = options_parse(&command_dump, argc, argv, &c);

	if (status != OPTIONS_GO_ON)
		return status;
	c.history = settings_history(c.history);
	if (range_resolve(&c.when, mh_now().wall_ms, c.utc, &range, &err))
		return options_usage_error(&command_dump, "%s", err.text);
	tool_catch_signals();
	rc = dump(&c, &range, &stats, &err);
	if (rc)
		return tool_fail(command_dump.name, rc, &err);
	return pass_verdict(command_dump.name, c.history, &stats);
}

const struct command command_dump = {
	.name = "memhist dump",
	.usage = "[--history DIR] [OPTION]...",
	.summary = "Print a history as JSON lines: snapshots with what changed, gaps, damage.",
	.options = options,
	.examples = "  memhist dump --since '10m ago' | jq 'select(.type == \"gap\")'\n"
		    "  memhist dump --history ./copy --full --output dump.jsonl\n",
	.take = take,
	.run = run,
};
