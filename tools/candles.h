/*
 * memhist-candles, inside: what is asked for, and the two tables in which it is shown.
 */
#ifndef MEMHIST_TOOLS_CANDLES_H
#define MEMHIST_TOOLS_CANDLES_H

#include "tools/outfile.h"
#include "tools/range.h"
#include "tools/select.h"

/* --- candles_text.c: words and numbers --------------------------------------------------- */

enum unit { UNIT_KIB, UNIT_MIB, UNIT_BYTES };
extern const char *const unit_names[]; /* by enum unit, ended by NULL */

/* Header words of one language. They are part of the file format, not translations. */
struct words {
	const char *time, *open, *high, *low, *close; /* both tables */
	const char *label, *pid, *program, *samples;  /* long table */
};
extern const char *const language_names[];  /* ended by NULL */
extern const struct words language_words[]; /* in the same order */

enum { TEXT_NUMBER_MAX = 32 };

/* A number of bytes in `unit`: whole KiB and bytes, MiB with three decimals. Into room for
 * TEXT_NUMBER_MAX bytes; returns the end. */
char *text_value(char *to, uint64_t bytes, enum unit unit);

/* --- candles_run.c: the work ------------------------------------------------------------- */

struct candles_config {
	const char *history;
	const char *source;      /* how that is called in sentences */
	const char *prometheus;  /* a URL instead of a history; NULL = not given, as the next two */
	const char *selector;    /* which series there */
	const char *http_config; /* a file */
	/* Called when the outputs are open and before anything is read: makes the history. NULL =
	 * it is there. Returns 0, or -errno and a sentence. */
	int (*prepare)(void *arg, struct mh_err *err);
	void *prepare_arg;
	struct range_words when;
	mh_ms_t interval_ms;
	int field;
	enum mh_label_rule by;
	struct mh_match *match; /* NULL = everybody */
	const char *pattern;    /* what `match` was made from */
	long long top;          /* 0 = not given */
	bool all;
	bool tidy; /* --long */
	enum unit unit;
	bool has_unit; /* --unit was given */
	int language;
	bool utc;
	const char *output;
	const char *pid_map;
	bool verbose;
	bool check;
	long long pid;      /* 0 = all */
	struct range range; /* `when`, resolved */
};

/* Write the tables that `config` asks for, say what there is to say; returns the exit status. */
int candles_run(const struct candles_config *config);

/* --- candles_store.c: the same from a store ----------------------------------------------------
 */

/* As candles_run(), of what config->prometheus has. */
int candles_store(const struct candles_config *config);

/* --- candles_check.c: whether candle columns are true ---------------------------------------- */

/* Compare columns with samples instead of writing tables, and say so; returns the exit status. */
int candles_check(const struct candles_config *config);

/* --- the tables -------------------------------------------------------------------------- */

/* What both tables need. */
struct table {
	struct outfile *out;
	const struct words *words;
	enum unit unit;
	bool utc;
	const struct selection *selection;     /* NULL = every series (long table only) */
	const struct mh_labels *const *labels; /* of the running pass */
	struct mh_err *err;
	bool has_header;
	uint64_t n_rows;
};

/* candles_wide.c: a row per window. Zero-initialise all but `table`. */
struct wide_table {
	struct table *table;
	struct mh_candle *cell; /* by place in the selection; none: empty */
};

/* Callbacks of struct pass; `arg` is the wide table. */
int wide_candle(void *arg, uint32_t series, const struct mh_candle *candle);
int wide_window(void *arg, mh_ms_t start_ms);
void wide_done(struct wide_table *w);

/*
 * candles_kept.c: what the wide table is made from, kept until its columns are known. Zero is
 * nothing kept.
 */
struct kept_candles {
	struct kept_candle *candle;
	size_t n, cap;
	struct kept_window *window;
	size_t n_windows, windows_cap;
	bool is_full; /* it is too much to be kept: the pass was ended */
};

/* Callbacks of struct pass; `arg` are the kept candles. */
int kept_candle(void *arg, uint32_t series, const struct mh_candle *candle);
int kept_window(void *arg, mh_ms_t start_ms);
/* Tell the table all of it. */
int kept_tell(const struct kept_candles *k, struct wide_table *w);
void kept_done(struct kept_candles *k);

/* candles_long.c: a row per candle. Zero-initialise all but `table`. */
struct long_table {
	struct table *table;
	struct long_cell *cell; /* of this window */
	uint32_t n_cells, cells_cap;
	struct long_order *order; /* room for twice as many */
	uint32_t *cell_of;        /* by series: index in `cell` + 1; 0 = none in this window */
	uint32_t series_cap;
};

int long_candle(void *arg, uint32_t series, const struct mh_candle *candle);
int long_window(void *arg, mh_ms_t start_ms);
void long_done(struct long_table *l);

#endif
