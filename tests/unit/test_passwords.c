/*
 * Passwords: what is right, how often bcrypt runs for it and with which cost, who waits and who is
 * turned away. crypt_rn(3) is counted, and can be held.
 */
#include "exporter/passwords.h"

#include <crypt.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* of “secret”, and of another salt */
#define SECRET_4 "$2y$04$UdrWR9/cORlpJi8SwR5W2OtIh3CT9YoRa.CwNSGsII/Uz3Crkp3JC"
#define COST     4

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int runs;
	char setting[64]; /* of the last one */
	bool is_held;     /* nobody gets past */
	bool is_lying;    /* every password is right, as far as the hash goes */
	unsigned int suspended, resumed;
} w = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

char *__real_crypt_rn(const char *phrase, const char *setting, void *data, int size);
char *__wrap_crypt_rn(const char *phrase, const char *setting, void *data, int size);

char *__wrap_crypt_rn(const char *phrase, const char *setting, void *data, int size)
{
	bool is_lying;
	char *made;

	pthread_mutex_lock(&w.lock);
	w.runs++;
	snprintf(w.setting, sizeof(w.setting), "%s", setting);
	pthread_cond_broadcast(&w.changed);
	while (w.is_held)
		pthread_cond_wait(&w.changed, &w.lock);
	is_lying = w.is_lying;
	pthread_mutex_unlock(&w.lock);
	made = __real_crypt_rn(phrase, setting, data, size);
	if (made && is_lying) {
		/* the hash that somebody must have who is no user */
		snprintf(made, 61, "%.7snobodyhasthishashnever.nobodyhasthishashnever.nobodyX",
			 setting);
	}
	return made;
}

static void on_suspend(void *waiter)
{
	(void)waiter;
	pthread_mutex_lock(&w.lock);
	w.suspended++;
	pthread_mutex_unlock(&w.lock);
}

static void on_resume(void *waiter)
{
	pthread_mutex_lock(&w.lock);
	w.resumed++;
	++*(unsigned int *)waiter;
	pthread_cond_broadcast(&w.changed);
	pthread_mutex_unlock(&w.lock);
}

static void hold(bool is_held)
{
	pthread_mutex_lock(&w.lock);
	w.is_held = is_held;
	pthread_cond_broadcast(&w.changed);
	pthread_mutex_unlock(&w.lock);
}

static void wait_until(const unsigned int *count, unsigned int n)
{
	pthread_mutex_lock(&w.lock);
	while (*count < n)
		pthread_cond_wait(&w.changed, &w.lock);
	pthread_mutex_unlock(&w.lock);
}

static int set_up(void **state)
{
	const struct passwords_config config = {.suspend = on_suspend, .resume = on_resume};
	struct passwords *p;
	struct mh_err err;

	w.runs = w.suspended = w.resumed = 0;
	w.is_held = w.is_lying = false;
	assert_int_equal(passwords_new(&p, &config, &err), 0);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	hold(false);
	passwords_stop(*state);
	passwords_free(*state);
	return 0;
}

/* Ask, and wait for the answer. */
static enum password_verdict ask(struct passwords *p, const char *user, const char *hash,
				 const char *password)
{
	struct password_ticket *ticket = NULL;
	unsigned int resumed = 0;
	enum password_verdict verdict = passwords_ask(p, user, hash, COST, password, &resumed,
						      &ticket);

	if (verdict != PASSWORD_WAIT) {
		assert_null(ticket);
		return verdict;
	}
	wait_until(&resumed, 1);
	verdict = passwords_verdict(p, ticket);
	passwords_forget(ticket);
	assert_int_equal(resumed, 1);
	return verdict;
}

static void test_right_and_wrong(void **state)
{
	struct passwords *p = *state;

	assert_int_equal(ask(p, "u", SECRET_4, "secret"), PASSWORD_RIGHT);
	assert_int_equal(ask(p, "u", SECRET_4, "Secret"), PASSWORD_WRONG);
	assert_int_equal(ask(p, "u", SECRET_4, ""), PASSWORD_WRONG);
	assert_int_equal(ask(p, "u", SECRET_4, "secret "), PASSWORD_WRONG);
	assert_int_equal(ask(p, "nobody", NULL, "secret"), PASSWORD_WRONG);
	assert_int_equal(w.runs, 5);
	assert_int_equal(w.suspended, 5);
}

/* Nobody can tell a name that is there from one that is not by the work that it makes. */
static void test_equal_work(void **state)
{
	struct passwords *p = *state;
	char setting[sizeof(w.setting)];

	ask(p, "u", SECRET_4, "wrong");
	assert_int_equal(w.runs, 1);
	memcpy(setting, w.setting, sizeof(setting));
	ask(p, "nobody", NULL, "wrong");
	assert_int_equal(w.runs, 2);
	/* $2?$04$ and as long a salt */
	assert_memory_equal(setting + 3, w.setting + 3, 4);
	assert_int_equal(strlen(setting), strlen(w.setting));
	/* both are remembered */
	ask(p, "u", SECRET_4, "wrong");
	ask(p, "nobody", NULL, "wrong");
	assert_int_equal(w.runs, 2);
}

static void test_nobody_is_never_right(void **state)
{
	struct passwords *p = *state;

	w.is_lying = true;
	assert_int_equal(ask(p, "nobody", NULL, "any"), PASSWORD_WRONG);
	assert_int_equal(ask(p, "nobody", NULL, "any"), PASSWORD_WRONG);
	assert_int_equal(w.runs, 1);
	/* and if somebody had that very hash, it would be another question */
	assert_int_equal(ask(p, "nobody",
			     "$2b$04$nobodyhasthishashnever.nobodyhasthishashnever.nobodyX", "any"),
			 PASSWORD_RIGHT);
	assert_int_equal(w.runs, 2);
}

static void test_what_is_remembered(void **state)
{
	static const char other[] = "$2y$04$UdrWR9/cORlpJi8SwR5W2OtIh3CT9YoRa.CwNSGsII/Uz3Crkp3JD";
	struct passwords *p = *state;

	for (int i = 0; i < 3; i++)
		assert_int_equal(ask(p, "u", SECRET_4, "secret"), PASSWORD_RIGHT);
	assert_int_equal(w.runs, 1);
	/* another user, another hash: nothing is known of these */
	assert_int_equal(ask(p, "v", SECRET_4, "secret"), PASSWORD_RIGHT);
	assert_int_equal(ask(p, "u", other, "secret"), PASSWORD_WRONG);
	assert_int_equal(w.runs, 3);
}

static void test_wrong_ones_do_not_push_right_ones_out(void **state)
{
	struct passwords *p = *state;
	char password[32];

	assert_int_equal(ask(p, "u", SECRET_4, "secret"), PASSWORD_RIGHT);
	for (int i = 0; i < 3 * PASSWORDS_KEPT; i++) {
		snprintf(password, sizeof(password), "guess %d", i);
		assert_int_equal(ask(p, "u", SECRET_4, password), PASSWORD_WRONG);
	}
	assert_int_equal(w.runs, 1 + 3 * PASSWORDS_KEPT);
	assert_int_equal(ask(p, "u", SECRET_4, "secret"), PASSWORD_RIGHT);
	assert_int_equal(ask(p, "u", SECRET_4, password), PASSWORD_WRONG); /* the newest is kept */
	assert_int_equal(w.runs, 1 + 3 * PASSWORDS_KEPT);
	assert_int_equal(ask(p, "u", SECRET_4, "guess 0"), PASSWORD_WRONG); /* the oldest is not */
	assert_int_equal(w.runs, 2 + 3 * PASSWORDS_KEPT);
}

enum { ALL = PASSWORDS_WAITING + 1 };

/* One is looked at and PASSWORDS_WAITING wait. */
static void fill(struct passwords *p, struct password_ticket **ticket, unsigned int *resumed)
{
	char password[32];

	hold(true);
	for (int i = 0; i < ALL; i++) {
		snprintf(password, sizeof(password), "guess %d", i);
		assert_int_equal(
			passwords_ask(p, "u", SECRET_4, COST, password, &resumed[i], &ticket[i]),
			PASSWORD_WAIT);
	}
	wait_until(&w.runs, 1);
}

static void test_the_queue_ends(void **state)
{
	struct password_ticket *ticket[ALL], *same = NULL, *none = NULL;
	unsigned int resumed[ALL] = {0}, same_resumed = 0, nobody = 0;
	struct passwords *p = *state;

	fill(p, ticket, resumed);
	assert_int_equal(passwords_ask(p, "u", SECRET_4, COST, "one more", &nobody, &none),
			 PASSWORD_BUSY);
	assert_null(none);
	/* who asks what is asked already costs nothing */
	assert_int_equal(passwords_ask(p, "u", SECRET_4, COST, "guess 2", &same_resumed, &same),
			 PASSWORD_WAIT);
	assert_int_equal(passwords_verdict(p, ticket[0]), PASSWORD_WAIT);
	hold(false);
	wait_until(&same_resumed, 1);
	for (int i = 0; i < ALL; i++) {
		wait_until(&resumed[i], 1);
		assert_int_equal(passwords_verdict(p, ticket[i]), PASSWORD_WRONG);
		passwords_forget(ticket[i]);
	}
	assert_int_equal(passwords_verdict(p, same), PASSWORD_WRONG);
	passwords_forget(same);
	assert_int_equal(w.runs, ALL);
	assert_int_equal(nobody, 0);
	assert_int_equal(w.suspended, w.resumed);
	/* there is room again */
	assert_int_equal(ask(p, "u", SECRET_4, "secret"), PASSWORD_RIGHT);
}

static void test_right_ones_pass_the_queue(void **state)
{
	struct password_ticket *ticket[ALL];
	unsigned int resumed[ALL] = {0};
	struct passwords *p = *state;

	assert_int_equal(ask(p, "v", SECRET_4, "secret"), PASSWORD_RIGHT);
	w.runs = 0;
	fill(p, ticket, resumed);
	assert_int_equal(ask(p, "v", SECRET_4, "secret"), PASSWORD_RIGHT);
	hold(false);
	for (int i = 0; i < ALL; i++) {
		wait_until(&resumed[i], 1);
		passwords_forget(ticket[i]);
	}
}

static void *let_go(void *arg)
{
	(void)arg;
	hold(false);
	return NULL;
}

static void test_stopping(void **state)
{
	struct password_ticket *ticket[ALL], *late = NULL;
	unsigned int resumed[ALL] = {0}, nobody = 0;
	struct passwords *p = *state;
	pthread_t helper;

	fill(p, ticket, resumed);
	assert_int_equal(pthread_create(&helper, NULL, let_go, NULL), 0);
	passwords_stop(p);
	pthread_join(helper, NULL);
	for (int i = 0; i < ALL; i++) {
		assert_int_equal(resumed[i], 1);
		assert_int_not_equal(passwords_verdict(p, ticket[i]), PASSWORD_WAIT);
		passwords_forget(ticket[i]);
	}
	assert_int_equal(passwords_ask(p, "u", SECRET_4, COST, "late", &nobody, &late),
			 PASSWORD_BUSY);
	assert_null(late);
}

static void test_never_asked(void **state)
{
	(void)state; /* made and freed, without a thread */
	passwords_stop(NULL);
	passwords_free(NULL);
	passwords_forget(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_right_and_wrong),
		TEST(test_equal_work),
		TEST(test_nobody_is_never_right),
		TEST(test_what_is_remembered),
		TEST(test_wrong_ones_do_not_push_right_ones_out),
		TEST(test_the_queue_ends),
		TEST(test_right_ones_pass_the_queue),
		TEST(test_stopping),
		TEST(test_never_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
