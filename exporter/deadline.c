/* Connection clocks: a fixed array, free places chained. fd < 0 marks a place to be left alone. */
#include "exporter/deadline.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

struct deadline {
	int fd; /* -1: free, or shut down already */
	mh_boot_ns_t since;
	struct deadline *next_free;
};

struct deadlines {
	pthread_mutex_t lock; /* guards everything below */
	uint64_t limit_ns;
	struct deadline *free;
	unsigned int max;
	struct deadline place[];
};

int deadlines_new(struct deadlines **ret, unsigned int max, uint64_t limit_ns)
{
	struct deadlines *d = calloc(1, sizeof(*d) + max * sizeof(d->place[0]));

	if (!d)
		return -ENOMEM;
	pthread_mutex_init(&d->lock, NULL);
	d->limit_ns = limit_ns;
	d->max = max;
	for (unsigned int i = 0; i < max; i++) {
		d->place[i] = (struct deadline){.fd = -1, .next_free = d->free};
		d->free = &d->place[i];
	}
	*ret = d;
	return 0;
}

void deadlines_free(struct deadlines *d)
{
	if (!d)
		return;
	pthread_mutex_destroy(&d->lock);
	free(d);
}

struct deadline *deadlines_open(struct deadlines *d, int fd, mh_boot_ns_t now)
{
	struct deadline *connection;

	pthread_mutex_lock(&d->lock);
	connection = d->free;
	if (connection) {
		d->free = connection->next_free;
		*connection = (struct deadline){.fd = fd, .since = now};
	}
	pthread_mutex_unlock(&d->lock);
	return connection;
}

void deadlines_restart(struct deadlines *d, struct deadline *connection, mh_boot_ns_t now)
{
	if (!connection)
		return;
	pthread_mutex_lock(&d->lock);
	connection->since = now;
	pthread_mutex_unlock(&d->lock);
}

void deadlines_close(struct deadlines *d, struct deadline *connection)
{
	if (!connection)
		return;
	pthread_mutex_lock(&d->lock);
	connection->fd = -1;
	connection->next_free = d->free;
	d->free = connection;
	pthread_mutex_unlock(&d->lock);
}

unsigned int deadlines_expire(struct deadlines *d, mh_boot_ns_t now)
{
	unsigned int n = 0;

	pthread_mutex_lock(&d->lock);
	for (unsigned int i = 0; i < d->max; i++) {
		struct deadline *connection = &d->place[i];

		/* not `now - since`: a step may have begun after the caller read its clock */
		if (connection->fd < 0 || now < connection->since + d->limit_ns)
			continue;
		shutdown(connection->fd, SHUT_RDWR);
		connection->fd = -1;
		n++;
	}
	pthread_mutex_unlock(&d->lock);
	return n;
}
