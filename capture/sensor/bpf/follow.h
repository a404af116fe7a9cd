/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the processes of a malicious program do after the verdict: what they
 * connect to, write, execute, and which processes they start. User space puts
 * the first process into the map, and takes all of them out when the time is
 * over. The same of Pythons that are not judged yet: see early.h.
 */
#ifndef KINGSNAKE_FOLLOW_H
#define KINGSNAKE_FOLLOW_H

/* The most processes followed at once, and records of one process. */
#define MAX_FOLLOWED 1024
#define MAX_ACTIONS 512

/* The longest address copied: that of a local socket. */
#define MAX_ADDRESS 110

#define FMODE_WRITE 2

struct follow {
	struct program root; /* the process that the verdict was about, by its start */
	__u32 actions;
	/* The rest is of marks before the verdict. */
	__u32 omitted; /* records that there was no room for in the period */
	__u32 period;
	__u32 keeper;           /* process whose mark counts for this one too */
	struct program program; /* that the root was: user space may ignore it */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_FOLLOWED);
	__type(key, __u32);
	__type(value, struct follow);
} followed SEC(".maps");

/* How many roots are followed. Set by user space: most of the time it is 0. */
volatile __u32 following;

/* What the current process is followed for; 0 when it is not. */
static __always_inline struct follow *followed_now(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	if (!following)
		return 0;
	return bpf_map_lookup_elem(&followed, &tgid);
}

#include "early.h"

/*
 * What the acts of the current process are recorded for; 0 when they are not.
 * Sets *before if nobody follows it yet.
 */
static __always_inline struct follow *watched_now(__u32 *before)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct follow *f = followed_now();

	*before = !f;
	return f ? f : bpf_map_lookup_elem(&early, &tgid);
}

/* Begins a record of what a watched process does; 0 when it did too much. */
static __always_inline struct scratch *start_action(struct follow *f, __u32 before,
                                                    enum record_kind kind)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct scratch *s = scratch_of_cpu();

	if (!s || (before && !may_act_early(f, tgid)))
		return 0;
	if (!before && f->actions >= MAX_ACTIONS) {
		count_loss(LOSS_FOLLOW);
		return 0;
	}
	if (!before)
		f->actions++;
	start_record(&s->rec, kind, &f->root, tgid);
	if (before)
		s->rec.flags = FLAG_EARLY;
	return s;
}

/* Sends the CPU's record with want bytes of data: at once, if it is of a followed process. */
__noinline int send_action(__u32 want)
{
	struct scratch *s = scratch_of_cpu();
	__u64 len = bounded(want);

	if (!s || len > CHUNK)
		return -1;
	s->rec.len = len;
	if (s->rec.flags & FLAG_EARLY)
		return send_early(s, len);
	if (bpf_ringbuf_output(&exec_ring, s, sizeof(s->rec) + len, BPF_RB_NO_WAKEUP)) {
		count_loss(LOSS_EXEC_RING);
		return -1;
	}
	wake_reader(&exec_ring, READER_EXEC);
	return 0;
}

/* A child of a watched process is watched too. */
static __always_inline void follow_fork(__u32 child)
{
	struct follow *f, mark = {};
	struct scratch *s;
	__u32 before;

	f = watched_now(&before);
	if (!f)
		return;
	mark.root = f->root;
	if (before) {
		inherit_early(f, bpf_get_current_pid_tgid() >> 32, child);
	} else if (bpf_map_update_elem(&followed, &child, &mark, BPF_ANY)) {
		count_loss(LOSS_FOLLOW);
		return;
	}
	s = start_action(f, before, RECORD_FORK);
	if (!s)
		return;
	s->rec.offset = child;
	send_action(0);
}

SEC("tracepoint/syscalls/sys_enter_connect")
int on_connect(struct syscall_enter *ctx)
{
	__u64 len = ctx->args[2];
	struct scratch *s;
	struct follow *f;
	__u32 before;

	f = watched_now(&before);
	if (!f)
		return 0;
	s = start_action(f, before, RECORD_CONNECT);
	if (!s)
		return 0;
	len = bounded(len);
	if (len > MAX_ADDRESS)
		len = MAX_ADDRESS;
	if (bpf_probe_read_user(s->data, len, (const void *)ctx->args[1])) {
		count_loss(LOSS_FAULT);
		return 0;
	}
	send_action(len);
	return 0;
}

/* A file was opened: of interest when it is a regular one that may be written. */
static __always_inline int opened(__s64 fd)
{
	struct scratch *s;
	struct follow *f;
	struct inode *inode;
	struct file *file;
	__u32 before;

	if (fd < 0)
		return 0;
	f = watched_now(&before);
	if (!f)
		return 0;
	file = file_of(fd);
	if (!file || !(BPF_CORE_READ(file, f_mode) & FMODE_WRITE))
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFREG)
		return 0;
	s = start_action(f, before, RECORD_WRITE);
	if (!s)
		return 0;
	send_action(append_path((__u64)BPF_CORE_READ(file, f_path.dentry),
	                        (__u64)BPF_CORE_READ(file, f_path.mnt), 0));
	return 0;
}

/* openat, openat2 and, where they exist, open and creat. */
SEC("tracepoint/syscalls/sys_exit_openat")
int on_open_done(struct syscall_exit *ctx)
{
	return opened(ctx->ret);
}

#endif
