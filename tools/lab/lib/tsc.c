// SPDX-License-Identifier: GPL-2.0
/* Prints how many thousand times in a second the time stamp counter of this machine counts. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct moment {
	uint64_t ticks, nanoseconds;
};

static uint64_t now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000000ull + at.tv_nsec;
}

/* Both clocks at once: of many tries the one in between of whose two looks at the counter the least time went by. */
static struct moment look(void)
{
	uint64_t least = UINT64_MAX;
	struct moment best = { 0 };

	for (int n = 0; n < 1000; n++) {
		uint64_t before = __rdtsc(), nanoseconds = now(), between = __rdtsc() - before;

		if (between < least) {
			least = between;
			best = (struct moment){ before + between / 2, nanoseconds };
		}
	}
	return best;
}

int main(void)
{
	struct timespec pause = { .tv_nsec = 300000000 };
	struct moment begin = look(), end;

	nanosleep(&pause, NULL);
	end = look();
	printf("%.0f\n", (end.ticks - begin.ticks) * 1e6 / (end.nanoseconds - begin.nanoseconds));
	return 0;
}
