/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What Python processes, and those that come of them, do before anybody has
 * judged their scripts. It is written into a ring that wakes nobody: user space
 * looks into it now and then, keeps the last seconds, and throws them away
 * unless there is a malicious verdict.
 *
 * A process has a mark here from the exec of its interpreter on, and its children
 * have one with the same root. What is recorded is bounded for the processes of
 * one root together: most of them are fine, and may do much for years. Marks are
 * forgotten, the oldest first, when there are too many.
 */
#ifndef KINGSNAKE_EARLY_H
#define KINGSNAKE_EARLY_H

/* The most processes that have a mark. */
#define MAX_EARLY 4096

/* The most records of the processes of one root in a period, and how long that is. */
#define MAX_EARLY_ACTIONS 128
#define EARLY_PERIOD_BITS 33 /* of nanoseconds: 8.6 s */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_EARLY);
	__type(key, __u32);
	__type(value, struct follow);
} early SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 << 10);
} early_ring SEC(".maps");

/*
 * Marks the current process, which has just executed an interpreter, or a binary
 * that may be one: then it stays with the root it has.
 */
static __always_inline void begin_early(const struct program *p, struct task_struct *task,
                                        int unknown)
{
	__u32 tgid = p->tgid;
	struct follow *old = bpf_map_lookup_elem(&early, &tgid), mark = {};

	mark.root.exec = BPF_CORE_READ(task, group_leader, start_boottime);
	mark.root.tgid = tgid;
	mark.keeper = tgid;
	mark.program = *p;
	if (old && old->root.exec == mark.root.exec && old->root.tgid == tgid)
		old->program = *p;
	else if (!old || !unknown)
		bpf_map_update_elem(&early, &tgid, &mark, BPF_ANY);
}

/* Whether a root turned out to be of no interest: then the current process is not watched. */
static __always_inline int ignored(struct follow *f, __u32 tgid)
{
	if (mode_of(&f->program) != MODE_IGNORE)
		return 0;
	bpf_map_delete_elem(&early, &tgid);
	return 1;
}

/*
 * Which process's mark counts for one with the mark f: that of the root or, once
 * that has ended, of the process of the tree that acted first since.
 */
static __always_inline struct follow *keeper_of(struct follow *f, __u32 tgid)
{
	__u32 keeper = f->keeper;
	struct follow *k = bpf_map_lookup_elem(&early, &keeper);

	if (k && k->root.exec == f->root.exec && k->root.tgid == f->root.tgid)
		return k;
	f->keeper = tgid;
	return f;
}

/* Whether there is room for one more record of a process with the mark f. */
static __always_inline int may_act_early(struct follow *f, __u32 tgid)
{
	__u32 period = bpf_ktime_get_boot_ns() >> EARLY_PERIOD_BITS;
	struct follow *k;

	if (ignored(f, tgid))
		return 0;
	k = keeper_of(f, tgid);
	if (k->period != period) {
		k->period = period;
		k->actions = 0;
		k->omitted = 0;
	}
	if (k->actions >= MAX_EARLY_ACTIONS) {
		k->omitted++;
		return 0;
	}
	k->actions++;
	return 1;
}

/* Gives a child the mark f of its parent. */
static __always_inline void inherit_early(struct follow *f, __u32 tgid, __u32 child)
{
	struct follow mark = {};

	if (ignored(f, tgid))
		return;
	keeper_of(f, tgid);
	mark.root = f->root;
	mark.keeper = f->keeper;
	mark.program = f->program;
	bpf_map_update_elem(&early, &child, &mark, BPF_ANY);
}

/* Sends the CPU's record with len bytes of data, at most CHUNK. */
static __always_inline int send_early(struct scratch *s, __u64 len)
{
	__u32 tgid = s->rec.tgid;
	struct follow *f;

	if (!bpf_ringbuf_output(&early_ring, s, sizeof(s->rec) + len, BPF_RB_NO_WAKEUP))
		return 0;
	f = bpf_map_lookup_elem(&early, &tgid);
	if (f)
		f->omitted++;
	return -1;
}

/* Takes the mark f from a process that ends. */
static __always_inline void end_early(struct follow *f, __u32 tgid)
{
	struct scratch *s = scratch_of_cpu();

	if (s && f->omitted) {
		start_record(&s->rec, RECORD_OMITTED, &f->root, tgid);
		s->rec.offset = f->omitted;
		send_early(s, 0);
	}
	bpf_map_delete_elem(&early, &tgid);
}

#endif
