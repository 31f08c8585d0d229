// SPDX-License-Identifier: BSD-2-Clause
/* The registry of files that are mapped: what it keeps apart, and what has no room in it. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collect/maps.h"
#include "collect/objects.h"
#include "profile/profile.h"
#include "wire.h"

static struct profile *p;
static struct objects *o;
static unsigned told; /* of new objects */

static void on_new(void *ctx, uint32_t object, int fd, const struct map_entry *e)
{
	(void)ctx;
	(void)object;
	(void)e;
	EXPECT(fd >= 0);
	told++;
}

static void begin(void)
{
	told = 0;
	p = profile_new();
	o = objects_new(p, on_new, NULL);
	EXPECT_PTR(p);
	EXPECT_PTR(o);
}

static void end(void)
{
	objects_free(o);
	profile_free(p);
}

/* A mapping of no process that lives, by its name alone. */
static uint32_t get(uint64_t inode, const char *path)
{
	struct map_entry e = {
		.start = 0x1000, .end = 0x2000, .dev = 1, .inode = inode, .path = path
	};

	return objects_get(o, INT32_MAX, &e);
}

TEST(objects__one_id_a_file)
{
	begin();
	EXPECT_EQ(get(10, "/nowhere/a"), 1);
	EXPECT_EQ(get(11, "/nowhere/a"), 2);
	EXPECT_EQ(get(10, "/nowhere/b"), 1);
	EXPECT_EQ(objects_count(o), 2);
	EXPECT_EQ(objects_refused(o), 0);
	EXPECT_EQ(told, 0); /* nothing of them can be read */
	end();
}

TEST(objects__beyond_the_last_are_counted)
{
	struct stat self;

	begin();
	EXPECT_EQ(stat("/proc/self/exe", &self), 0);
	for (uint32_t i = 1; i < TPROF_MAX_OBJECTS; i++)
		EXPECT_EQ(get(1U << 24 | i, "/nowhere/many"), i);
	EXPECT_EQ(objects_refused(o), 0);
	EXPECT_EQ(get(9, "/nowhere/more"), 0);
	EXPECT_EQ(get(9, "/nowhere/more"), 0);
	EXPECT_EQ(get(self.st_ino, "/proc/self/exe"), 0);
	EXPECT_EQ(objects_refused(o), 3);
	EXPECT_EQ(objects_count(o), TPROF_MAX_OBJECTS - 1);
	EXPECT_EQ(told, 0);
	/* those before are found as ever */
	EXPECT_EQ(get(1U << 24 | 77, "/nowhere/many"), 77);
	EXPECT_EQ(objects_refused(o), 3);
	EXPECT_EQ(objects_unopened(o), 0);
	end();
}
