/* Pages: written once, shared, kept for those who read slowly, and bounded. */
#include "exporter/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <cmocka.h>

struct rig {
	struct view *view;
	struct pages *pages;
	mh_ms_t wall_ms;
};

static void next_sample(struct rig *r)
{
	const struct mh_snapshot s = {.at = {.wall_ms = r->wall_ms += 1000}};
	const struct source_item item = {.snapshot = &s, .page_bytes = 4096, .clk_tck = 100};
	const struct view_facts facts = {.now_ns = mh_now().boot_ns,
					 .source.stale_after_ms = 3600 * 1000};

	view_update(r->view, &item, &facts);
}

static void rig_init(struct rig *r, size_t held_bytes)
{
	struct pages_config config = {.max_series = 1000, .held_bytes = held_bytes};

	*r = (struct rig){.wall_ms = 1000};
	assert_int_equal(view_new(&r->view, 1, 1), 0);
	config.view = r->view;
	assert_int_equal(pages_new(&r->pages, &config), 0);
	next_sample(r);
}

static void rig_done(struct rig *r)
{
	pages_free(r->pages);
	view_free(r->view);
}

static struct page *get(struct rig *r, enum page_format format, enum page_coding coding)
{
	struct page *page = NULL;

	assert_int_equal(pages_get(r->pages, format, coding, &page), 0);
	return page;
}

static bool has(const struct page *page, const char *text)
{
	return memmem(page->data, page->len, text, strlen(text)) != NULL;
}

/* A copy of the line that begins with `text`, from the newline before it to its own. */
static char *copy_line(const struct page *page, const char *text)
{
	const char *begin = memmem(page->data, page->len, text, strlen(text));

	assert_non_null(begin);
	return strndup(begin, strcspn(begin + 1, "\n") + 2);
}

static void one_page_is_written_per_sample(void **state)
{
	struct page *list[100];
	struct rig r;

	(void)state;
	rig_init(&r, 0);
	for (int i = 0; i < 100; i++)
		list[i] = get(&r, PAGE_TEXT, PAGE_IDENTITY);
	assert_int_equal(pages_written(r.pages), 1);
	for (int i = 0; i < 100; i++) {
		assert_ptr_equal(list[i], list[0]);
		page_release(list[i]);
	}
	page_release(get(&r, PAGE_TEXT, PAGE_GZIP));
	page_release(get(&r, PAGE_PROTOBUF, PAGE_GZIP));
	page_release(get(&r, PAGE_TEXT, PAGE_IDENTITY));
	assert_int_equal(pages_written(r.pages), 3);
	next_sample(&r);
	for (int i = 0; i < 7; i++)
		page_release(get(&r, PAGE_OPENMETRICS, PAGE_IDENTITY));
	assert_int_equal(pages_written(r.pages), 4);
	rig_done(&r);
}

static void all_formats_show_one_sample(void **state)
{
	struct page *text, *openmetrics;
	const char *at;
	struct rig r;

	(void)state;
	rig_init(&r, 0);
	text = get(&r, PAGE_TEXT, PAGE_IDENTITY);
	openmetrics = get(&r, PAGE_OPENMETRICS, PAGE_IDENTITY);
	/* how long it took, how much memory and CPU: the same figures, not others of that moment */
	for (at = text->data; at && at < text->data + text->len;) {
		const char *newline = memchr(at, '\n', (size_t)(text->data + text->len - at)),
			   *end = newline + 1;

		if (*at != '#')
			assert_non_null(memmem(openmetrics->data, openmetrics->len, at,
					       (size_t)(end - at)));
		at = end;
	}
	page_release(text);
	page_release(openmetrics);
	rig_done(&r);
}

static void a_slow_reader_keeps_its_page(void **state)
{
	struct page *old, *new;
	struct rig r;

	(void)state;
	rig_init(&r, 0);
	old = get(&r, PAGE_TEXT, PAGE_IDENTITY);
	next_sample(&r);
	new = get(&r, PAGE_TEXT, PAGE_IDENTITY);
	assert_ptr_not_equal(old, new);
	assert_true(has(old, "\nmemhist_last_sample_timestamp_seconds 2\n"));
	assert_true(has(new, "\nmemhist_last_sample_timestamp_seconds 3\n"));
	page_release(new);
	page_release(old);
	rig_done(&r);
}

/* Each holds the page that it was given, all the time. */
static void readers_that_never_end_cannot_take_all_memory(void **state)
{
	enum { READERS = 200, HELD = 5 };
	struct page *held[READERS];
	size_t bytes = 0, len;
	struct page *page;
	struct rig r;
	char *line;

	(void)state;
	rig_init(&r, 1);
	page = get(&r, PAGE_TEXT, PAGE_IDENTITY);
	len = page->len;
	page_release(page);
	rig_done(&r);

	rig_init(&r, HELD * len);
	for (int i = 0; i < READERS; i++) {
		held[i] = get(&r, PAGE_TEXT, PAGE_IDENTITY);
		bytes += i && held[i] == held[i - 1] ? 0 : held[i]->len;
		next_sample(&r);
	}
	assert_true(bytes > HELD * len);
	assert_true(bytes < (HELD + 3) * len);
	/* what they get meanwhile, in any format, is one sample, and not the newest */
	line = copy_line(held[READERS - 1], "\nmemhist_last_sample_timestamp_seconds ");
	page = get(&r, PAGE_OPENMETRICS, PAGE_IDENTITY);
	assert_true(has(page, line));
	assert_string_not_equal(line, "\nmemhist_last_sample_timestamp_seconds 202\n");
	free(line);
	page_release(page);
	for (int i = 0; i < READERS; i++)
		page_release(held[i]);
	page = get(&r, PAGE_TEXT, PAGE_IDENTITY);
	assert_true(has(page, "\nmemhist_last_sample_timestamp_seconds 202\n"));
	page_release(page);
	rig_done(&r);
}

static void gzip_unpacks_to_the_page(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 0);
	for (int round = 0; round < 3; round++, next_sample(&r))
		for (int f = 0; f < PAGE_FORMATS; f++) {
			struct page *plain = get(&r, (enum page_format)f, PAGE_IDENTITY),
				    *packed = get(&r, (enum page_format)f, PAGE_GZIP);
			char *unpacked = malloc(plain->len + 1);
			z_stream z = {.next_in = (Bytef *)packed->data,
				      .avail_in = (uInt)packed->len,
				      .next_out = (Bytef *)unpacked,
				      .avail_out = (uInt)plain->len + 1};

			assert_true(packed->len < plain->len);
			assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
			assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
			assert_int_equal(z.avail_in, 0);
			assert_int_equal(z.total_out, plain->len);
			assert_memory_equal(unpacked, plain->data, plain->len);
			inflateEnd(&z);
			free(unpacked);
			page_release(plain);
			page_release(packed);
		}
	rig_done(&r);
}

static void the_page_counts_pages(void **state)
{
	struct page *page;
	struct rig r;

	(void)state;
	rig_init(&r, 0);
	page_release(get(&r, PAGE_TEXT, PAGE_IDENTITY));
	page_release(get(&r, PAGE_TEXT, PAGE_GZIP));
	page_release(get(&r, PAGE_TEXT, PAGE_GZIP));
	next_sample(&r);
	page = get(&r, PAGE_TEXT, PAGE_IDENTITY);
	assert_true(has(page, "\nmemhist_pages_written_total 2\n"));
	page_release(page);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_page_is_written_per_sample),
		cmocka_unit_test(all_formats_show_one_sample),
		cmocka_unit_test(a_slow_reader_keeps_its_page),
		cmocka_unit_test(readers_that_never_end_cannot_take_all_memory),
		cmocka_unit_test(gzip_unpacks_to_the_page),
		cmocka_unit_test(the_page_counts_pages),
	};

	return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
