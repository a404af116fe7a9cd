/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Holding a process until its script is judged.
 *
 * A process is stopped twice at most: when an interpreter was executed in a
 * place whose programs are held, so that user space can say which file will be
 * its script; and when the read returns that makes that file whole. It stops
 * by a SIGSTOP that it sends itself, before it is back in user space. What is
 * held lies in a map of its own, so that another process can let everything go
 * on when the sensor is no more.
 *
 * Included by sensor.c, whose helpers it uses.
 */
#ifndef KINGSNAKE_HOLD_H
#define KINGSNAKE_HOLD_H

#define SIGCONT 18
#define SIGSTOP 19
#define SIGTSTP 20
#define SEND_SIG_PRIV 1 /* the kernel's own, in the place of what a signal says of its sender */

/* A container's cgroup is named with an id of 64 digits, or an ancestor is. */
#define CONTAINER_NAME 64
#define CONTAINER_DEPTH 64

/* One entry: the holding as a whole. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hold_switch);
} hold_switches SEC(".maps");

/* By cgroup; one without an entry is asked for, if it is a container's. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, enum hold_policy);
} hold_policies SEC(".maps");

/* What is stopped now. User space takes out what it has let go. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct hold_key);
	__type(value, struct hold);
} holds SEC(".maps");

/* What makes the script of a program whole, as user space understood it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct program);
	__type(value, struct hold_target);
} hold_targets SEC(".maps");

/* The last hold of a process, by its number. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct hold_key);
} held_last SEC(".maps");

/* By process: who may stop itself because a child of its is held. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct hold_parent);
} hold_parents SEC(".maps");

/*
 * Names a cgroup. Numbers are unique within a hierarchy, so those of version 1
 * are marked.
 */
static __always_inline __u64 cgroup_key(struct task_struct *task)
{
	int v2;
	struct cgroup *cg = cgroup_of(task, &v2);
	__u64 id = cg ? BPF_CORE_READ(cg, kn, id) : 0;

	return v2 ? id : id | 1ULL << 63;
}

/* Whether a cgroup, or one it lies in, is named like a container. */
__noinline int in_container(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct scratch *s = scratch_of_cpu();
	struct cgroup *cg;
	int v2, i;

	if (!s)
		return 0;
	cg = cgroup_of(task, &v2);
#pragma clang loop unroll(disable)
	for (i = 0; i < CONTAINER_DEPTH && cg; i++) {
		struct cgroup_subsys_state *up;

		if (bpf_probe_read_kernel_str(s->spill, CONTAINER_NAME + 2,
		                              BPF_CORE_READ(cg, kn, name)) > CONTAINER_NAME)
			return 1;
		up = BPF_CORE_READ(cg, self.parent);
		cg = up ? BPF_CORE_READ(up, cgroup) : 0;
	}
	return 0;
}

/*
 * Whether somebody controls this process's jobs: it runs at a terminal, or in a
 * group of its own that its parent made. Such a parent takes a stop for the
 * user's.
 */
static __always_inline int has_jobs(struct task_struct *task)
{
	struct signal_struct *own = BPF_CORE_READ(task, signal);
	struct signal_struct *parent = BPF_CORE_READ(task, real_parent, signal);

	if (BPF_CORE_READ(own, tty))
		return 1;
	return BPF_CORE_READ(own, pids[PIDTYPE_SID]) == BPF_CORE_READ(parent, pids[PIDTYPE_SID]) &&
	       BPF_CORE_READ(own, pids[PIDTYPE_PGID]) != BPF_CORE_READ(parent, pids[PIDTYPE_PGID]);
}

/* Remembers a process's parent while the process is held. */
static __always_inline void note_parent(struct task_struct *task, const struct hold_key *child)
{
	struct task_struct *up = BPF_CORE_READ(task, real_parent, group_leader);
	__u32 tgid = BPF_CORE_READ(up, tgid);
	struct hold_parent *old = bpf_map_lookup_elem(&hold_parents, &tgid), p = {};

	p.start = BPF_CORE_READ(up, start_boottime);
	p.child = *child;
	p.stopped = old && old->start == p.start && old->stopped;
	/* The first process is never stopped. */
	if (tgid > 1)
		bpf_map_update_elem(&hold_parents, &tgid, &p, BPF_ANY);
}

/* Whether somebody has sent a process a SIGSTOP that has not stopped it yet. */
static __always_inline int stop_pends(struct task_struct *task)
{
	return BPF_CORE_READ(task, signal, shared_pending.signal.sig[0]) >> (SIGSTOP - 1) & 1;
}

/* Notes, in all maps but holds, that the current process is held. */
static __always_inline void note_held(const struct hold_key *key)
{
	struct task *t = bpf_map_lookup_elem(&tasks, &key->tgid);
	struct hold_parent *p = bpf_map_lookup_elem(&hold_parents, &key->tgid);

	bpf_map_update_elem(&held_last, &key->tgid, key, BPF_ANY);
	if (t)
		t->held = key->since;
	if (p) /* It runs: what it may have done to itself is over. */
		p->stopped = 0;
}

/* Stops the current process, and reports whether it will be stopped. */
__noinline int stop_here(__u64 since)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct hold_key key = {.since = since};
	struct scratch *s = scratch_of_cpu();
	struct hold h = {}, *own;

	if (!s)
		return 0;
	key.tgid = bpf_get_current_pid_tgid() >> 32;
	h.start = BPF_CORE_READ(task, group_leader, start_boottime);
	h.cgroup = cgroup_key(task);
	/* First the map, then the signal: nothing is stopped that is not in it. */
	if (bpf_map_update_elem(&holds, &key, &h, BPF_ANY)) {
		count_loss(LOSS_HOLDS);
		return 0;
	}
	note_held(&key);
	/* One that comes from now on is seen by on_signal. */
	own = bpf_map_lookup_elem(&holds, &key);
	if (own && stop_pends(task))
		own->stopped = SIGSTOP;
	if (bpf_send_signal(SIGSTOP)) {
		bpf_map_delete_elem(&holds, &key);
		count_loss(LOSS_SIGNAL);
		return 0;
	}
	s->held = since;
	note_parent(task, &key);
	return 1;
}

/* Takes a stop back, because user space will not hear of it. */
__noinline int go_on_here(void)
{
	struct scratch *s = scratch_of_cpu();
	struct hold_key key = {};

	if (!s || !s->held)
		return 0;
	key.since = s->held;
	key.tgid = bpf_get_current_pid_tgid() >> 32;
	s->held = 0;
	count_loss(LOSS_UNHEARD);
	/* When it cannot be sent, user space finds the entry, in time. */
	if (!bpf_send_signal(SIGCONT))
		bpf_map_delete_elem(&holds, &key);
	return 0;
}

/* Forgets the hold of a process that ends. */
static __always_inline void forget_hold(const struct task *t, __u32 tgid)
{
	struct hold_key key = {.since = t->held, .tgid = tgid};

	if (t->held)
		bpf_map_delete_elem(&holds, &key);
}

/*
 * Notes that a process which was held enters a system call: if nobody has ended
 * its hold, a tracer or somebody's signal lets it run.
 */
static __always_inline void note_running(struct task *t, __u32 tgid)
{
	struct hold_key key = {.since = t->held, .tgid = tgid};
	struct hold *h = bpf_map_lookup_elem(&holds, &key);

	if (h)
		h->continued = 1;
	else
		t->held = 0;
}

/*
 * Whether anything may be held: a sensor that is frozen, or stopped together with
 * its guard, would let nothing go.
 */
static __always_inline int is_answering(const struct hold_switch *sw)
{
	if (sw->until > bpf_ktime_get_boot_ns())
		return 1;
	count_loss(LOSS_ABSENT);
	return 0;
}

/* Whether a binary that is executed now, and may be a Python, is to be held. */
static __always_inline int held_at_exec(struct task_struct *task)
{
	__u32 zero = 0;
	struct hold_switch *sw = bpf_map_lookup_elem(&hold_switches, &zero);
	enum hold_policy *policy;
	__u64 cgroup;

	if (!sw || !sw->on)
		return 0;
	cgroup = cgroup_key(task);
	policy = bpf_map_lookup_elem(&hold_policies, &cgroup);
	if (policy && *policy == HOLD_LEAVE)
		return 0;
	if (!policy && !(sw->host && sw->strangers)) {
		if (!sw->strangers || !in_container())
			return 0;
	}
	if (!sw->jobs && has_jobs(task)) {
		count_loss(LOSS_JOBS);
		return 0;
	}
	return is_answering(sw);
}

/* Whether the name in the scratch buffer begins like this one. */
static __always_inline int begins_like(const struct scratch *s, const struct hold_name *n)
{
	__u64 differs = 0;
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < TARGET_NAME; i++)
		differs |= (s->name[i] & n->mask[i]) ^ n->text[i];
	return n->mask[0] && !differs;
}

/* Whether a file is named as the script is. */
static __always_inline int is_named(const struct hold_target *want, struct file *file,
                                    struct scratch *s)
{
	if (bpf_probe_read_kernel_str(s->name, sizeof(s->name),
	                              BPF_CORE_READ(file, f_path.dentry, d_name.name)) <= 0)
		return 0;
	return begins_like(s, &want->names[0]) || begins_like(s, &want->names[1]);
}

/* Whether what a read returned ends like a zip archive without a comment. */
static __always_inline int ends_archive(__u64 buf, __u64 len)
{
	__u32 mark = 0;

	return len >= 22 && !bpf_probe_read_user(&mark, sizeof(mark), (void *)(buf + len - 22)) &&
	       mark == 0x06054b50;
}

/*
 * Whether a file was the program's script when it was judged: the interpreter
 * reads it again to run it, and it may have been replaced meanwhile.
 */
static __always_inline int is_judged(const struct task *t, struct file *file)
{
	struct hold_target *want = bpf_map_lookup_elem(&hold_targets, &t->program);
	struct scratch *s = scratch_of_cpu();

	return want && s && want->judged &&
	       (want->seen == BPF_CORE_READ(file, f_inode, i_ino) || is_named(want, file, s));
}

/*
 * Holds the current process if the read that returns now makes the program's
 * own script whole: a file is covered from both of its ends, a stream has
 * ended, a file that user space has is read at all, an archive's directory is
 * read. The record of the read is in the CPU's scratch buffer.
 */
static __always_inline int held_at_read(struct scratch *s, struct task *t, struct file *file,
                                        enum file_state state, __u64 buf, __u64 offset, __u64 len)
{
	struct hold_target *want = bpf_map_lookup_elem(&hold_targets, &t->program);
	struct hold_switch *sw;
	__u32 zero = 0;
	__u64 size = s->rec.file.size < MAX_TEXT ? s->rec.file.size : MAX_TEXT, end = offset + len;

	if (!want || s->rec.tgid != t->program.tgid)
		return 0;
	if (want->ino ? want->ino != s->rec.file.ino && !is_named(want, file, s)
	              : !is_named(want, file, s) && !(want->fd == s->rec.fd + 1))
		return 0;
	if (want->seen != s->rec.file.ino)
		want->ctime = 0;
	if (want->seen != s->rec.file.ino || want->changed != s->rec.file.ctime) {
		want->seen = s->rec.file.ino;
		want->changed = s->rec.file.ctime;
		/* Standard input begins where it is; what is read to run it goes on where it was.
		 */
		want->head = want->fd || want->judged ? offset : 0;
		want->tail = size;
	}
	/* The same again was let go, whether it was the script or not. */
	if (want->ctime && want->ctime == s->rec.file.ctime)
		return 0;
	if (s->rec.flags & FLAG_STREAM || !size) {
		if (len)
			return 0;
	} else if (state == FILE_NEW) {
		if (!len)
			return 0;
		if (want->tail > size)
			want->tail = size;
		if (offset <= want->head && end > want->head)
			want->head = end;
		if (end >= want->tail && offset < want->tail)
			want->tail = offset;
		if (want->head < want->tail && !(end >= s->rec.file.size && ends_archive(buf, len)))
			return 0;
	}
	sw = bpf_map_lookup_elem(&hold_switches, &zero);
	if (!sw || !is_answering(sw) || !stop_here(s->rec.time))
		return 0;
	want->ctime = s->rec.file.ctime;
	s->rec.flags |= FLAG_HELD;
	return 1;
}

/* Ends the records of a read that was held: user space answers this one. */
static __always_inline void end_hold(void)
{
	struct scratch *s = scratch_of_cpu();

	if (!s || !s->held)
		return;
	s->rec.kind = RECORD_HELD;
	s->rec.flags = FLAG_HELD;
	s->rec.offset = 0;
	if (send_data(0))
		go_on_here();
	s->held = 0;
}

/*
 * Notes what another process does to one that is held. asked says that it did so
 * with a system call: the SIGSTOP of a tracer that attaches stops nothing for good.
 */
static __always_inline void note_other(__u32 tgid, int sig, int asked)
{
	struct hold_key *key = bpf_map_lookup_elem(&held_last, &tgid), copy;
	struct hold *h;

	if (!key)
		return;
	copy = *key;
	h = bpf_map_lookup_elem(&holds, &copy);
	if (!h)
		return;
	if (sig == SIGCONT) {
		h->continued = 1;
		h->stopped = 0;
	} else if (sig == SIGSTOP ? asked : !h->stopped) {
		h->stopped = sig;
	}
}

/* Notes that a process stopped itself, and that its own parent may do the same. */
static __always_inline void note_self(struct task_struct *task, __u32 tgid)
{
	struct hold_parent *p = bpf_map_lookup_elem(&hold_parents, &tgid);

	if (!p || p->start != BPF_CORE_READ(task, group_leader, start_boottime))
		return;
	p->stopped = 1;
	note_parent(task, &p->child);
}

/* Runs whenever a signal is sent, while processes are held. */
SEC("raw_tp/signal_generate")
int on_signal(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, to;
	struct task_struct *task = (struct task_struct *)ctx->args[2];
	int sig = ctx->args[0], asked = ctx->args[1] > SEND_SIG_PRIV;

	if (sig != SIGSTOP && sig != SIGTSTP && sig != SIGCONT)
		return 0;
	to = BPF_CORE_READ(task, tgid);
	if (to != tgid)
		note_other(to, sig, asked);
	else if (sig != SIGCONT && asked) /* and not because it is held */
		note_self(task, tgid);
	return 0;
}

#endif
