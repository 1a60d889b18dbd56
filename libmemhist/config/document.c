/*
 * From libyaml's events to nodes. The lists and maps that are open are a stack, which is as deep as
 * a document may be; nothing here calls itself, and what libyaml hands over is freed at once.
 */
#include "libmemhist/config/document.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum { ARENA_MAX = 64 << 20 };

struct builder {
	yaml_parser_t parser;
	const char *bytes;
	size_t len;
	struct mh_arena arena;
	struct mh_node *root;
	uint32_t n_nodes;
	struct level {
		struct mh_node *node;
		struct mh_node *last; /* in it */
		char *key;            /* read, and its value is not; of the arena */
		struct mh_mark key_at;
	} level[MH_DOCUMENT_DEPTH];
	int depth;
	struct mh_err *err;
};

int mh_document_wrong(struct mh_mark at, struct mh_err *err, const char *fmt, ...)
{
	char sentence[sizeof(err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	return mh_errf(err, -EBADMSG, "%u:%u: %s", at.line, at.column, sentence);
}

static struct mh_mark mark_of(const yaml_mark_t *m)
{
	return (struct mh_mark){(uint32_t)m->line + 1, (uint32_t)m->column + 1};
}

/* The place of a byte, for what is wrong before there are characters. */
static struct mh_mark mark_at(const struct builder *b, size_t offset)
{
	struct mh_mark at = {1, 1};

	for (size_t i = 0; i < offset && i < b->len; i++) {
		if (b->bytes[i] == '\n')
			at = (struct mh_mark){at.line + 1, 1};
		else if ((b->bytes[i] & 0xc0) != 0x80)
			at.column++;
	}
	return at;
}

/* The most frequent mistake of all, for which libyaml has no words. */
static bool is_tab(const struct builder *b, const yaml_mark_t *m)
{
	const char *p = b->bytes, *end = b->bytes + b->len;

	for (size_t line = 0; p && line < m->line; line++) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : NULL;
	}
	return p && m->column < (size_t)(end - p) && p[m->column] == '\t';
}

static int parser_failed(const struct builder *b)
{
	const yaml_parser_t *p = &b->parser;

	switch (p->error) {
	case YAML_MEMORY_ERROR:
		return mh_err_sys(b->err, -ENOMEM, "cannot read a configuration");
	case YAML_READER_ERROR:
		return mh_document_wrong(mark_at(b, p->problem_offset), b->err, "%s", p->problem);
	default:
		if (is_tab(b, &p->problem_mark))
			return mh_document_wrong(mark_of(&p->problem_mark), b->err,
						 "a tab, where YAML is indented by blanks");
		/* libyaml says where the thing began that goes wrong here */
		if (p->context && p->context_mark.line != p->problem_mark.line)
			return mh_document_wrong(mark_of(&p->problem_mark), b->err,
						 "%s, %s that begins in line %u", p->problem,
						 p->context, mark_of(&p->context_mark).line);
		return mh_document_wrong(mark_of(&p->problem_mark), b->err, "%s%s%s", p->problem,
					 p->context ? ", " : "", p->context ? p->context : "");
	}
}

static struct level *top(struct builder *b)
{
	return b->depth ? &b->level[b->depth - 1] : NULL;
}

/* A new node in its place, or NULL. */
static struct mh_node *add_node(struct builder *b, enum mh_node_kind kind, struct mh_mark at)
{
	struct mh_node *node = mh_arena_alloc(&b->arena, sizeof(*node));
	struct level *in = top(b);

	if (!node)
		return NULL;
	*node = (struct mh_node){.kind = kind, .at = at};
	if (!in) {
		b->root = node;
		return node;
	}
	node->key = in->key;
	node->key_at = in->key_at;
	in->key = NULL;
	if (in->last)
		in->last->next = node;
	else
		in->node->first = node;
	in->last = node;
	in->node->n++;
	return node;
}

static char *copy_text(struct builder *b, const yaml_event_t *event)
{
	const size_t len = event->data.scalar.length;
	char *copy = mh_arena_alloc(&b->arena, len + 1);

	if (copy) {
		memcpy(copy, event->data.scalar.value, len);
		copy[len] = '\0';
	}
	return copy;
}

static bool is_nothing(const yaml_event_t *event)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp((const char *)event->data.scalar.value, words[i]))
			return true;
	return false;
}

/* Whether a map has a value behind this key already. */
static const struct mh_node *find_key(const struct level *in, const char *key)
{
	for (const struct mh_node *n = in->node->first; n; n = n->next)
		if (!strcmp(n->key, key))
			return n;
	return NULL;
}

static int take_key(struct builder *b, char *key, struct mh_mark at)
{
	struct level *in = top(b);
	const struct mh_node *same;

	/* a bound for the search as well */
	if (in->node->n == MH_DOCUMENT_KEYS)
		return mh_document_wrong(at, b->err, "more than %d keys in one map",
					 MH_DOCUMENT_KEYS);
	same = find_key(in, key);
	if (same)
		return mh_document_wrong(at, b->err, "“%s” stands here a second time: see line %u",
					 key, same->key_at.line);
	in->key = key;
	in->key_at = at;
	return 0;
}

static int take_text(struct builder *b, const yaml_event_t *event, struct mh_mark at)
{
	const struct level *in = top(b);
	struct mh_node *node;
	char *text;

	if (memchr(event->data.scalar.value, '\0', event->data.scalar.length))
		return mh_document_wrong(at, b->err, "there is a NUL byte in this text");
	text = copy_text(b, event);
	if (text && in && in->node->kind == MH_NODE_MAP && !in->key)
		return take_key(b, text, at);
	node = text ? add_node(b, MH_NODE_TEXT, at) : NULL;
	if (!node)
		return -ENOMEM;
	node->text = text;
	node->is_nothing = is_nothing(event);
	return 0;
}

static int begin(struct builder *b, enum mh_node_kind kind, struct mh_mark at)
{
	const struct level *in = top(b);
	struct mh_node *node;

	if (in && in->node->kind == MH_NODE_MAP && !in->key)
		return mh_document_wrong(at, b->err, "a key is text, not a list or a map");
	if (b->depth == MH_DOCUMENT_DEPTH)
		return mh_document_wrong(at, b->err, "more than %d lists and maps in one another",
					 MH_DOCUMENT_DEPTH);
	node = add_node(b, kind, at);
	if (!node)
		return -ENOMEM;
	b->level[b->depth++] = (struct level){.node = node};
	return 0;
}

/* What hangs on a value: an anchor or a tag. */
static int check_extras(const struct builder *b, const yaml_char_t *anchor, const yaml_char_t *tag,
			struct mh_mark at)
{
	if (anchor)
		return mh_document_wrong(at, b->err,
					 "anchors (&%s) are not taken: write it out where it is "
					 "needed",
					 (const char *)anchor);
	if (tag)
		return mh_document_wrong(at, b->err, "tags (%s) are not taken: leave it out",
					 (const char *)tag);
	return 0;
}

static int take_event(struct builder *b, const yaml_event_t *event)
{
	const struct mh_mark at = mark_of(&event->start_mark);
	int rc;

	if (++b->n_nodes > MH_DOCUMENT_NODES)
		return mh_document_wrong(at, b->err, "there is too much in this document");
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return mh_document_wrong(at, b->err,
					 "aliases (*%s) are not taken: write it out here",
					 (const char *)event->data.alias.anchor);
	case YAML_SCALAR_EVENT:
		rc = check_extras(b, event->data.scalar.anchor, event->data.scalar.tag, at);
		return rc ? rc : take_text(b, event, at);
	case YAML_SEQUENCE_START_EVENT:
		rc = check_extras(b, event->data.sequence_start.anchor,
				  event->data.sequence_start.tag, at);
		return rc ? rc : begin(b, MH_NODE_LIST, at);
	case YAML_MAPPING_START_EVENT:
		rc = check_extras(b, event->data.mapping_start.anchor,
				  event->data.mapping_start.tag, at);
		return rc ? rc : begin(b, MH_NODE_MAP, at);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return 0;
	case YAML_DOCUMENT_START_EVENT:
		return b->root ? mh_document_wrong(at, b->err, "a second document begins here") : 0;
	default:
		return 0;
	}
}

static int build(struct builder *b)
{
	yaml_event_type_t type;
	yaml_event_t event;
	int rc;

	do {
		if (!yaml_parser_parse(&b->parser, &event))
			return parser_failed(b);
		type = event.type;
		rc = take_event(b, &event);
		yaml_event_delete(&event);
	} while (!rc && type != YAML_STREAM_END_EVENT);
	return rc;
}

int mh_document_read(struct mh_document *ret, const char *bytes, size_t len, struct mh_err *err)
{
	struct builder b = {
		.bytes = bytes, .len = len, .arena = MH_ARENA_INIT(ARENA_MAX), .err = err};
	int rc;

	if (len > MH_DOCUMENT_MAX)
		return mh_document_wrong((struct mh_mark){1, 1}, err,
					 "larger than a configuration may be (%d KiB)",
					 MH_DOCUMENT_MAX / 1024);
	if (!yaml_parser_initialize(&b.parser))
		return mh_err_sys(err, -ENOMEM, "cannot read a configuration");
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)bytes, len);
	rc = build(&b);
	yaml_parser_delete(&b.parser);
	if (rc == -ENOMEM)
		mh_err_sys(err, rc, "cannot read a configuration");
	if (rc) {
		mh_arena_done(&b.arena);
		return rc;
	}
	/* of an empty document libyaml makes nothing at all, of "---" a value that is none */
	if (b.root && b.root->is_nothing)
		b.root = NULL;
	*ret = (struct mh_document){.arena = b.arena, .root = b.root};
	return 0;
}

void mh_document_done(struct mh_document *d)
{
	mh_arena_done(&d->arena);
	d->root = NULL;
}
