/*
 * The sealer of a history that is being written: when it is looked after, and how much room its
 * temporary file may take.
 */
#include "libmemhist/history/upkeep/upkeep_inner.h"

#include <errno.h>

int mh_upkeep_begin_sealer(struct mh_upkeep *u, const struct mh_places *places)
{
	struct mh_sealer_config config = {
		.program = u->config.sealer,
		.dir_path = u->dir_path,
		.places = places,
	};
	int rc = 0;

	u->seal_ns = MH_UPKEEP_NEVER;
	if (config.program)
		rc = mh_sealer_new(&u->sealer, &config, NULL);
	if (u->sealer)
		mh_sealer_status(u->sealer, &u->status.sealer);
	u->config.sealer = NULL; /* the caller's */
	u->status.has_sealer = u->sealer != NULL;
	return rc;
}

void mh_upkeep_ask_sealer(struct mh_upkeep *u)
{
	if (!u->sealer)
		return;
	u->is_seal_asked = true;
	u->seal_ns = 0;
	pthread_cond_signal(&u->work);
}

/*
 * What is kept below max_bytes for it in any case (grant_anew() of upkeep_thread.c), and half of
 * what else may still be written, which is then the sealer's until it has ended (K3).
 */
static uint64_t take_room(struct mh_upkeep *u)
{
	const struct mh_room_status *room = &u->status.room;
	uint64_t bytes = UINT64_MAX, free_bytes = 0;

	if (u->left != UINT64_MAX) {
		u->seal_bytes = u->left > u->granted ? (u->left - u->granted) / 2 : 0;
		u->left -= u->seal_bytes;
		bytes = u->room.segment_bytes + u->seal_bytes;
	}
	if (room->free_bytes > room->min_free_bytes)
		free_bytes = room->free_bytes - room->min_free_bytes;
	return bytes < free_bytes ? bytes : free_bytes;
}

static void give_room_back(struct mh_upkeep *u)
{
	if (u->left != UINT64_MAX)
		u->left += u->seal_bytes;
	u->seal_bytes = 0;
}

void mh_upkeep_tend_sealer(struct mh_upkeep *u)
{
	const bool is_asked = u->is_seal_asked, was_running = u->status.sealer.is_running;
	const uint64_t room_bytes = was_running ? 0 : take_room(u);
	struct mh_sealer_status status;
	uint64_t due_ns;

	u->is_seal_asked = false;
	pthread_mutex_unlock(&u->lock);
	if (is_asked)
		mh_sealer_ask(u->sealer);
	due_ns = mh_sealer_tend(u->sealer, mh_monotonic_ns(), room_bytes);
	mh_sealer_status(u->sealer, &status);
	pthread_mutex_lock(&u->lock);
	u->seal_ns = u->is_seal_asked ? 0 : due_ns;
	u->status.sealer = status;
	if (!status.is_running)
		give_room_back(u);
	if (was_running && !status.is_running)
		mh_upkeep_check_by(u, 0); /* there is less, now */
}

void mh_upkeep_end_sealer(struct mh_upkeep *u)
{
	struct mh_sealer *sealer = u->sealer;

	u->sealer = NULL;
	pthread_mutex_unlock(&u->lock);
	mh_sealer_free(sealer);
	pthread_mutex_lock(&u->lock);
}
