/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which modules an interpreter looks for before it reads a source file.
 *
 * An import and a program that reads a module as data (a linter, a scanner)
 * read it alike. But before an import reads x.py it opens the compiled form,
 * x.pyc or __pycache__/x.cpython-311.pyc, whether there is one or not; Python
 * 2.7 does so between opening x.py and reading it. So the last names opened of
 * each sort are remembered, as a hash of what stands before the first dot, for
 * each thread: others may import something at the same time.
 *
 * Optional: without these programs nothing is said, and nothing else is lost.
 */
#ifndef KINGSNAKE_OPEN_H
#define KINGSNAKE_OPEN_H

#define STEM_MAX NAME_MAX

/* A name that could not be read: what was looked for is not known. */
#define STEM_UNKNOWN 0xffff

/* What the current thread opened. Threads of which the numbers end alike share it. */
static __always_inline struct opened *opened_by(struct task *t)
{
	__u32 thread = bpf_get_current_pid_tgid();

	return &t->opened[thread & (OPENERS - 1)];
}

/* Whether the compiled form of what the current thread reads was looked for. */
static __always_inline int was_sought(struct task *t)
{
	struct opened *o = opened_by(t);

	return o->compiled == o->source || o->compiled == STEM_UNKNOWN;
}

/* Notes a file that a followed process opens. */
__noinline int note_open(__u64 name)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, stem = 0, at;
	struct task *t = bpf_map_lookup_elem(&tasks, &tgid);
	struct scratch *s = scratch_of_cpu();
	int compiled, i;
	long n;

	if (!t || !s || mode_of(&t->program) == MODE_IGNORE)
		return 0;
	n = bpf_probe_read_user_str(s->data, PATH_MAX, (void *)name);
	if (n < 0)
		opened_by(t)->compiled = STEM_UNKNOWN;
	if (n < 5)
		return 0;
	at = n - 2; /* the last character */
	compiled = s->data[at & (PATH_MAX - 1)] == 'c';
	at -= compiled;
	if (s->data[at & (PATH_MAX - 1)] != 'y' || s->data[(at - 1) & (PATH_MAX - 1)] != 'p' ||
	    s->data[(at - 2) & (PATH_MAX - 1)] != '.')
		return 0;
	at -= 3;
#pragma clang loop unroll(disable)
	for (i = 0; i < STEM_MAX; i++) {
		__u8 c = s->data[(at - i) & (PATH_MAX - 1)];

		if (c == '/' || at - i > PATH_MAX)
			break;
		stem = c == '.' ? 0 : stem * 31 + c;
	}
	if (compiled)
		opened_by(t)->compiled = stem ^ stem >> 16;
	else
		opened_by(t)->source = stem ^ stem >> 16;
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_openat")
int on_openat(struct syscall_enter *ctx)
{
	return note_open(ctx->args[1]);
}

/* Only on amd64, where musl uses it. */
SEC("tracepoint/syscalls/sys_enter_open")
int on_open(struct syscall_enter *ctx)
{
	return note_open(ctx->args[0]);
}

#endif
