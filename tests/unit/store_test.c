/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "recording.h"
#include "store/store.h"

#define DUMP_NUMBERS(name, type) \
	profile_##name(p, &n);   \
	buf_printf(&b, #name " %zu\n", n);

/* Everything of a profile as text. */
static char *dump(struct profile *p)
{
	struct buf b = BUF_INIT;
	size_t n;
	const struct profile_info *i = profile_info_const(p);

	buf_addstr(&b, folded_kind(p, PROFILE_CPU, true));
	buf_addstr(&b, folded_kind(p, PROFILE_LOCK, true));
	buf_addstr(&b, folded_kind(p, PROFILE_SPAWN, true));
	PROFILE_TABLES(DUMP_NUMBERS)
	const struct profile_process *o = profile_processes(p, &n);
	buf_printf(&b, "%d %llu %llu %s|%s|%s|%s|%s %u %d\n", o->pid,
		   (unsigned long long)o->start_ns, (unsigned long long)o->exit_ns,
		   profile_str(p, o->comm), profile_str(p, o->cmdline), profile_str(p, o->exe),
		   profile_str(p, o->cgroup), profile_str(p, o->container), o->group_of_exec,
		   o->forked);
	const struct profile_thread *t = profile_threads(p, &n);
	for (size_t k = 0; k < n; k++)
		buf_printf(&b, "%u %d %llx %llx %d %s|%s %d %llx %llx %llx %llx %llx %llx %llx\n",
			   t[k].process, t[k].tid, (unsigned long long)t[k].start_ns,
			   (unsigned long long)t[k].exit_ns, t[k].created,
			   profile_str(p, t[k].comm), profile_str(p, t[k].group), t[k].cpu_exact,
			   (unsigned long long)t[k].cpu_ns, (unsigned long long)t[k].runq_ns,
			   (unsigned long long)t[k].offcpu_ns,
			   (unsigned long long)t[k].voluntary_switches,
			   (unsigned long long)t[k].involuntary_switches,
			   (unsigned long long)t[k].futex_waits,
			   (unsigned long long)t[k].futex_wait_ns);
	const struct profile_lock *l = profile_locks(p, &n);
	buf_printf(&b, "%u %llx %u %s %llu %llu %llu %llu %llu\n", l->process,
		   (unsigned long long)l->address, l->type, profile_str(p, l->name),
		   (unsigned long long)l->waits, (unsigned long long)l->wait_ns,
		   (unsigned long long)l->max_wait_ns, (unsigned long long)l->timeouts,
		   (unsigned long long)l->histogram[31]);
	const struct profile_lock_row *r = profile_lock_rows(p, &n);
	for (size_t k = 0; k < n; k++)
		buf_printf(&b, "%u %u %u %u %llu %llu\n", r[k].lock, r[k].thread, r[k].stack,
			   r[k].role, (unsigned long long)r[k].count, (unsigned long long)r[k].ns);
	const struct profile_spawn *s = profile_spawns(p, &n);
	buf_printf(&b, "%u %s %u %llu %llu\n", s->process, profile_str(p, s->group), s->stack,
		   (unsigned long long)s->created, (unsigned long long)s->exited);
	const struct profile_block *k = profile_blocks(p, &n);
	buf_printf(&b, "%u %s %llu %llu\n", k->thread, profile_str(p, k->syscall),
		   (unsigned long long)k->count, (unsigned long long)k->ns);
	const struct profile_churn *c = profile_churn(p, &n);
	buf_printf(&b, "%u %u %llu %llu\n", c->process, c->second, (unsigned long long)c->created,
		   (unsigned long long)c->exited);
	const struct profile_lifetime *f = profile_lifetimes(p, &n);
	buf_printf(&b, "%u %llu %llu\n", f->process, (unsigned long long)f->ns,
		   (unsigned long long)f->count);
	buf_printf(&b, "events %llu %s\n", (unsigned long long)profile_loss(p, "events"),
		   profile_str(p, *profile_notes(p, &n)));
	buf_printf(&b, "%s|%s|%s|%s %u %s %u %llu %llu %s %d%d%d %u %u %u\n",
		   profile_str(p, i->tprof_version), profile_str(p, i->host),
		   profile_str(p, i->kernel), profile_str(p, i->arch), i->cpus,
		   profile_str(p, i->event), i->hz, (unsigned long long)i->start_realtime_ns,
		   (unsigned long long)i->duration_ns, profile_str(p, i->target), i->system_wide,
		   i->waits, i->threads_traced, i->live_at_start, i->live_at_end,
		   i->stack_share_ppm);
	return b.data;
}

TEST(store__gives_back_all_that_it_got)
{
	struct profile *p = rich(), *q = NULL;
	struct diag d = { 0 };
	char *before, *after;
	struct stat st;

	enter();
	EXPECT_EQ(store_write(p, path, &d), 0);
	EXPECT_EQ(store_read(path, &q, &d), 0);
	EXPECT_STR(d.text, "");
	before = dump(p);
	after = dump(q);
	/* Replaced names leave unused lines behind, which are not written. */
	EXPECT_STR(after, before);
	EXPECT_EQ(stat(path, &st), 0);
	EXPECT_EQ(st.st_mode & 07777, 0600);
	free(before);
	free(after);
	profile_free(p);
	profile_free(q);
	leave();
}

TEST(store__takes_an_empty_profile)
{
	struct profile *p = profile_new(), *q = NULL;

	enter();
	EXPECT_EQ(store_write(p, path, NULL), 0);
	EXPECT_EQ(store_read(path, &q, NULL), 0);
	EXPECT_STR(folded(q), "");
	profile_free(p);
	profile_free(q);
	leave();
}

/* ── for people with sqlite3 ────────────────────────────────────────────────────────────────── */

TEST(store__is_pleasant_to_query)
{
	struct profile *p = rich();

	enter();
	EXPECT_EQ(store_write(p, path, NULL), 0);
	EXPECT_STR(query("PRAGMA integrity_check"), "ok\n");
	EXPECT_STR(query("SELECT kind, function, self_count FROM functions WHERE kind <> 'spawn' "
			 "AND self_count > 1"),
		   "cpu|read|3\ncpu|deep|2\n");
	EXPECT_STR(query("SELECT function FROM functions WHERE function LIKE '[libc%'"),
		   "[libc.so.6+0x1234]\n");
	EXPECT_STR(query("SELECT n.function FROM stack_frames s JOIN named_frames n USING(frame) "
			 "WHERE s.stack = 2 ORDER BY s.depth, n.depth"),
		   "deep\nhelper\nwork\n");
	EXPECT_STR(query("SELECT address, type, name, waits FROM lock_waits"),
		   "0xffffffffff600000|mutex|queue_lock in libfoo.so|11\n");
	EXPECT_STR(query("SELECT pid, comm, voluntary_switches FROM thread_times "
			 "WHERE comm = 'main'"),
		   "100|main|4\n");
	EXPECT_STR(query("SELECT name, count FROM losses"), "samples|0\nevents|27\n");
	profile_free(p);
	leave();
}

TEST(store__is_documented_column_by_column)
{
	struct profile *p = rich();
	struct buf doc = BUF_INIT;
	int fd = open("docs/format.md", O_RDONLY);
	char *save = NULL, *columns;

	if (fd < 0)
		SKIP("not run from the top of the source tree");
	EXPECT_EQ(buf_read_fd(&doc, fd, 1 << 20), 0);
	close(fd);
	enter();
	EXPECT_EQ(store_write(p, path, NULL), 0);
	columns = strdup(
		query("SELECT '`' || m.name || '` | `' || x.name || '`' FROM sqlite_schema m "
		      "JOIN pragma_table_xinfo(m.name) x WHERE m.type = 'table' "
		      "AND x.name <> 'id'"));
	for (char *c = strtok_r(columns, "\n", &save); c; c = strtok_r(NULL, "\n", &save))
		EXPECT_CONTAINS(doc.data, c);
	free(columns);
	buf_release(&doc);
	profile_free(p);
	leave();
}

/* ── writing where it does not go ───────────────────────────────────────────────────────────── */

static void cannot_write(const char *where, int want, const char *words)
{
	struct profile *p = rich();
	struct diag d = { 0 };

	EXPECT_EQ(store_write(p, where, &d), want);
	EXPECT_CONTAINS(d.text, words);
	profile_free(p);
}

TEST(store_write__says_where_it_cannot)
{
	enter();
	cannot_write("/nonexistent/dir/x.tprof", -ENOENT, "/nonexistent/dir/");
	cannot_write("/proc/x.tprof", -ENOENT, "cannot write /proc/x.tprof");
	cannot_write(dir, -EISDIR, "Is a directory");
	cannot_write("/tmp/", -EISDIR, "a file name is missing");
	leave();
}

TEST(store_write__leaves_the_old_recording_when_the_disk_is_full)
{
	struct profile *p = profile_of("main;f 1\n"), *q = NULL;
	struct diag d = { 0 };
	struct stat st;
	char size[32];

	enter();
	EXPECT_EQ(store_write(p, path, &d), 0);
	EXPECT_EQ(stat(path, &st), 0);
	unlink(path);
	/* Room for one, not for two. */
	snprintf(size, sizeof(size), "size=%lld", (long long)st.st_size * 3 / 2);
	if (mount("none", dir, "tmpfs", 0, size) < 0) {
		rmdir(dir);
		profile_free(p);
		SKIP("host: cannot mount a small tmpfs here (not root)");
	}
	EXPECT_EQ(store_write(p, path, &d), 0);
	EXPECT_EQ(store_write(p, path, &d), -ENOSPC);
	EXPECT_CONTAINS(d.text, "x.tprof: No space left on device");
	EXPECT_EQ(store_read(path, &q, NULL), 0);
	EXPECT_STR(folded(q), "main;f 1\n");
	EXPECT_EQ(count_files(), 1);
	EXPECT_EQ(umount(dir), 0);
	profile_free(p);
	profile_free(q);
	leave();
}

TEST(store_write__gives_the_file_to_the_caller_of_sudo)
{
	struct profile *p = profile_of("main;f 1\n");
	struct stat st;

	if (getuid() != 0) {
		profile_free(p);
		SKIP("host: not root");
	}
	enter();
	setenv("SUDO_UID", "12345", 1);
	setenv("SUDO_GID", "54321", 1);
	EXPECT_EQ(store_write(p, path, NULL), 0);
	EXPECT_EQ(stat(path, &st), 0);
	EXPECT_EQ(st.st_uid, 12345);
	EXPECT_EQ(st.st_gid, 54321);
	setenv("SUDO_UID", "12x", 1);
	EXPECT_EQ(store_write(p, path, NULL), 0);
	EXPECT_EQ(stat(path, &st), 0);
	EXPECT_EQ(st.st_uid, 0);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	profile_free(p);
	leave();
}

/* ── out of memory, speed ───────────────────────────────────────────────────────────────────── */

static void write_and_read(void *ctx, bool will_fail)
{
	struct profile *q = NULL;
	int err = store_write(ctx, path, NULL);

	EXPECT(err == 0 || (err == -ENOMEM && will_fail));
	if (err)
		return;
	err = store_read(path, &q, NULL);
	EXPECT(err == 0 || (err == -ENOMEM && will_fail));
	profile_free(q);
}

TEST(store__survives_a_failure_at_every_allocation)
{
	struct profile *p = rich();

	enter();
	EXPECT(fail_each_allocation(write_and_read, p) > 20);
	profile_free(p);
	leave();
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

TEST(store__writes_and_reads_10000_stacks_quickly)
{
	struct profile *p = profile_of("main;f0 1\n"), *q = NULL;
	uint32_t frames[30];
	double start, written, read;

	for (uint32_t f = 1; f <= 5000; f++)
		profile_frame(p, 1, 1000 + f);
	for (uint32_t s = 0; s < 10000; s++) {
		for (uint32_t i = 0; i < 30; i++)
			frames[i] = 1 + (s * 31 + i * i * 7 + s / (i + 1)) % 5000;
		profile_add(p, 1, 1, PROFILE_CPU, profile_stack(p, frames, 30, PROFILE_END_ROOT), 1,
			    1);
	}
	enter();
	start = now_ms();
	EXPECT_EQ(store_write(p, path, NULL), 0);
	written = now_ms();
	EXPECT_EQ(store_read(path, &q, NULL), 0);
	read = now_ms();
	print_message("# 10,000 stacks: written in %.1f ms, read in %.1f ms\n", written - start,
		      read - written);
	/* Ten times what it takes, for machines under load and sanitizers. */
	EXPECT(read - start < 1500);
	profile_free(p);
	profile_free(q);
	leave();
}
