/* memhist: the offline commands under one name. The table below is the list of them. */
#include "libmemhist/base/suggest.h"
#include "tools/commands.h"
#include "tools/tool.h"

#include <stddef.h>
#include <string.h>

static const char who[] = "memhist";

static const struct command *const commands[] = {
	&command_status, &command_verify, &command_dump,   &command_export, &command_import,
	&command_seal,   &command_merge,  &command_repair, &command_retain, &command_config,
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* The word after "memhist". */
static const char *word_of(const struct command *cmd)
{
	return strrchr(cmd->name, ' ') + 1;
}

static void print_help(FILE *to)
{
	fputs("Usage: memhist COMMAND [OPTION]...\n"
	      "Look at, check, convert and import histories of processes' memory.\n\n",
	      to);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", word_of(commands[i]), commands[i]->summary);
	fputs("\n  help COMMAND, COMMAND --help   the options of a command\n"
	      "  --version                      print the version\n"
	      "\nExamples:\n"
	      "  memhist status --top 5\n"
	      "  memhist export --format sqlite -o day.db --last 1d\n"
	      "  memhist import --history ./trace trace.csv\n"
	      "\nCandles are made by memhist-candles.\n",
	      to);
}

static const struct command *find(const char *word)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(word_of(commands[i]), word))
			return commands[i];
	return NULL;
}

static int no_such_command(const char *word)
{
	const char *words[N_COMMANDS + 2];
	const char *near;

	for (size_t i = 0; i < N_COMMANDS; i++)
		words[i] = word_of(commands[i]);
	words[N_COMMANDS] = "help";
	words[N_COMMANDS + 1] = NULL;
	if (word[0] == '-') {
		tool_say(who,
			 "%s: options stand behind a command, as in memhist status --utc; see "
			 "memhist --help",
			 word);
		return STATUS_USAGE;
	}
	near = mh_suggest(word, words);
	if (near)
		tool_say(who, "no command “%s”: did you mean “%s”? See memhist --help", word, near);
	else
		tool_say(who, "no command “%s”; see memhist --help", word);
	return STATUS_USAGE;
}

static int help(int argc, char **argv)
{
	const struct command *cmd;

	if (argc < 2) {
		print_help(stdout);
		return STATUS_OK;
	}
	cmd = find(argv[1]);
	if (!cmd)
		return no_such_command(argv[1]);
	options_print_help(cmd, stdout);
	return STATUS_OK;
}

static int dispatch(int argc, char **argv)
{
	const struct command *cmd;
	const char *word = argv[1];

	if (argc < 2) {
		print_help(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help"))
		return help(argc - 1, argv + 1);
	if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
		options_print_version(who);
		return STATUS_OK;
	}
	cmd = find(word);
	return cmd ? cmd->run(argc - 1, argv + 1) : no_such_command(word);
}

int main(int argc, char **argv)
{
	tool_init();
	return tool_end(who, dispatch(argc, argv));
}
