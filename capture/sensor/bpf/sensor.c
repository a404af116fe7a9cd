// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * kingsnake's kernel half: it copies out what Python interpreters execute.
 *
 * Principle: what is unknown is captured, and user space teaches the kernel
 * what to leave out. A binary, a file or a program without an entry in the
 * maps below is followed; so a lost or late lesson costs time, never a script.
 *
 * Kernels 5.10 and later with BTF. No kprobe, fentry, LSM hook, task storage or
 * bpf_loop is used. Everything here runs with preemption off (raw tracepoints
 * and perf system call tracepoints), so one scratch buffer a CPU is enough.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "record.h"
#include "companion.h"

/* The loader wants "GPL" here; the text's own licence is in the first line. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define NAME_MAX 256
#define PATH_MAX 4096
#define PATH_DEPTH 64
#define CGROUP_DEPTH 64

/* Hashes of the names of the modules that a thread opened last: see open.h. */
struct opened {
	__u16 compiled;
	__u16 source;
};

#define OPENERS 8

/* A process that runs an interpreter, or a binary not looked at yet. */
struct task {
	struct program program;
	__u32 lost;    /* 1 << enum loss, of what was lost of it */
	__u8 sent;     /* whether it is in any record of the data ring */
	__u8 told;     /* whether its exec is in the exec ring */
	__u16 unknown; /* whether nobody has looked at its binary yet */
	__u64 bytes;   /* read of files while nobody had */
	__u64 held;    /* since when it is held, or was last */
	struct opened opened[OPENERS];
	__u8 imports; /* whether it has imported a compiled module */
	__u8 foreign; /* whether code may run in it that is not its interpreter's */
	__u8 loads;   /* whether it has called marshal.load: see load.h */
	__u8 pad[5];
};

/* A read that has been entered and not left. */
struct pending {
	__u64 buf;
	__u64 file;
	__s64 pos; /* -1: the file's own position */
	__u32 fd;
	__u32 loading; /* marshal.load reads it, */
	__s64 begins;  /* from here on */
};

/* One file as one process reads it. */
struct reading_key {
	struct program program;
	__u64 ino;
	__u32 dev;
	__u32 tgid;
};

#define MENTIONS 4

struct reading {
	__u64 bytes;
	__s64 ctime;     /* of a regular file when it was last introduced */
	__u32 mentioned; /* how often: at first, and when it is read from its beginning */
	__u16 truncated;
	__u16 sought; /* whether it was introduced as an import */
};

/*
 * What a process read of a stream in small reads: an unbuffered interpreter
 * takes its standard input one byte a system call. It is sent in pieces of TAIL
 * bytes, or line by line where it may run line by line.
 */
#define SMALL_READ 32
#define TAIL 1024

struct tail {
	struct record rec;
	__u32 len;
	__u32 pad;
	__u8 data[TAIL];
	__u8 spill[SMALL_READ * 2];
};

struct scratch {
	struct record rec;
	union {
		__u8 data[CHUNK];
		struct parent parent;
	};
	__u8 spill[NAME_MAX];
	struct exec_record exec;
	struct program root; /* that this exec's process is followed for */
	__u32 before;        /* or will be, perhaps */
	__u32 failed;        /* pieces of this exec that did not fit the ring */
	__u32 at;            /* of a walk: where the next name goes */
	__u64 dentry;        /* of a walk: what comes next, also a cgroup */
	__u64 mnt;
	__u64 from; /* of a copy: address, what is left, offset */
	__u64 left;
	__u64 offset;
	__u64 held; /* since when the current process is held, 0: it is not */
	__u64 name[TARGET_NAME];
	struct tail no_tail; /* never written: zeros to begin a tail with */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} exec_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} data_ring SEC(".maps");

#include "wake.h"

/* One entry a CPU; the loader sets how many. A per-CPU map cannot hold it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOSS_MAX);
	__type(key, enum loss);
	__type(value, __u64);
} losses SEC(".maps");

/* Records that fitted the exec ring (0) and the data ring (1). */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} sent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct task);
} tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct pending);
} reads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct reading_key);
	__type(value, struct reading);
} readings SEC(".maps");

/* One stream of a process; when it is full, small reads are sent one by one. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct tail);
} tails SEC(".maps");

/* What a thread loads by marshal.load, as its records begin. */
struct load {
	struct record head;
	__u64 from; /* what is left to be sent of what was read ahead */
	__u64 left;
	__s64 begins; /* where in the file it begins */
};

/* By thread, until it ends: one that is forgotten would be missed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct load);
} loads SEC(".maps");

__u32 any_loads; /* whether there was one */

/* Written by user space. */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct file_key);
	__type(value, enum binary_class);
} binaries SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct program);
	__type(value, enum program_mode);
} modes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct file_key);
	__type(value, enum file_state);
} known SEC(".maps");

static __always_inline struct scratch *scratch_of_cpu(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&scratches, &cpu);
}

static __always_inline void count_loss(enum loss reason)
{
	__u64 *n = bpf_map_lookup_elem(&losses, &reason);

	if (n)
		*n += 1;
}

static __always_inline void count_sent(__u32 ring)
{
	__u64 *n = bpf_map_lookup_elem(&sent, &ring);

	if (n)
		__sync_fetch_and_add(n, 1);
}

/* Makes the compiler test and use a length in one register: 5.10 needs that. */
static __always_inline __u64 bounded(__u64 len)
{
	asm volatile("%0 &= 0xffff" : "+r"(len));
	return len;
}

static __always_inline void start_record(struct record *r, enum record_kind kind,
                                         const struct program *p, __u32 tgid)
{
	__builtin_memset(r, 0, sizeof(*r));
	r->kind = kind;
	r->program = *p;
	r->time = bpf_ktime_get_boot_ns();
	r->tgid = tgid;
}

/*
 * Sends the CPU's record with want bytes of data to the exec ring. Like all the
 * functions below that are not inlined, it is verified once and by itself, and
 * takes only numbers: 5.10 allows no other argument.
 */
__noinline int send_piece(__u32 want)
{
	struct scratch *s = scratch_of_cpu();
	__u64 len = bounded(want);

	if (!s || len > CHUNK)
		return -1;
	s->rec.len = len;
	if (bpf_ringbuf_output(&exec_ring, s, sizeof(s->rec) + len, BPF_RB_NO_WAKEUP)) {
		s->failed++;
		count_loss(LOSS_EXEC_RING);
		return -1;
	}
	count_sent(0);
	return 0;
}

/* Whether a quarter of the data ring stays free when len more bytes are in it. */
static __always_inline int leaves_room(__u64 len)
{
	__u64 size = bpf_ringbuf_query(&data_ring, BPF_RB_RING_SIZE);

	return bpf_ringbuf_query(&data_ring, BPF_RB_AVAIL_DATA) + len < size - size / 4;
}

/*
 * Whether the CPU's record may take room in the data ring: what is not from the
 * beginning of a file leaves some.
 */
static __always_inline int may_fill(struct scratch *s, __u64 len)
{
	return s->rec.kind != RECORD_DATA || s->rec.offset < HEAD || leaves_room(len);
}

/*
 * Whether a record is worth a wake-up. That a process ended, or read a part of
 * its interpreter, is told soon enough with what comes next; and the path of a
 * file comes just before what was read of it.
 */
static __always_inline int is_pressing(const struct record *r)
{
	return r->kind != RECORD_EXIT && r->kind != RECORD_PATH &&
	       !(r->kind == RECORD_HAVE && r->offset >= FILE_IGNORE);
}

/* Sends the CPU's record with want bytes of data to the data ring. */
__noinline int send_data(__u32 want)
{
	struct scratch *s = scratch_of_cpu();
	__u64 len = bounded(want);
	struct task *t;
	__u32 tgid;

	if (!s || len > CHUNK)
		return -1;
	s->rec.len = len;
	tgid = s->rec.tgid;
	t = bpf_map_lookup_elem(&tasks, &tgid);
	if (t)
		s->rec.lost = t->lost;
	if (!may_fill(s, len)) {
		if (t)
			t->lost |= 1 << LOSS_LONG;
		if (!t || !t->unknown)
			count_loss(LOSS_LONG);
		return -1;
	}
	if (bpf_ringbuf_output(&data_ring, s, sizeof(s->rec) + len, BPF_RB_NO_WAKEUP)) {
		if (t)
			t->lost |= 1 << LOSS_DATA_RING;
		if (!t || !t->unknown)
			count_loss(LOSS_DATA_RING);
		return -1;
	}
	if (t)
		t->sent = 1;
	count_sent(1);
	if (is_pressing(&s->rec))
		wake_reader(&data_ring, READER_DATA);
	return 0;
}

static __always_inline void start_copy(struct scratch *s, __u64 from, __u64 len, __u64 offset)
{
	s->from = from;
	s->left = len;
	s->offset = offset;
}

/*
 * Copies the next chunk of the process's memory into the CPU's record. Returns
 * its length, 0 at the end, -1 when the memory cannot be read.
 */
__noinline int next_chunk(void)
{
	struct scratch *s = scratch_of_cpu();
	__u64 len;

	if (!s)
		return -1;
	len = s->left;
	if (len > CHUNK)
		len = CHUNK;
	len = bounded(len);
	if (!len || len > CHUNK)
		return 0;
	if (bpf_probe_read_user(s->data, len, (const void *)s->from)) {
		count_loss(LOSS_FAULT);
		return -1;
	}
	s->rec.offset = s->offset;
	s->from += len;
	s->left -= len;
	s->offset += len;
	return len;
}

/*
 * One step of a walk from a file up to the process's root: appends the name of
 * the walk's file to the CPU's record, or crosses to where a mount is mounted.
 * Returns whether there is more. The walk's state lies in the scratch buffer,
 * where the verifier does not follow its values: that keeps it cheap to verify.
 */
static __always_inline int step_up(struct scratch *s, struct dentry *root,
                                   struct vfsmount *root_mnt)
{
	struct dentry *dentry = (struct dentry *)s->dentry, *parent;
	struct vfsmount *mnt = (struct vfsmount *)s->mnt;
	__u32 at = s->at;
	long n;

	if (!dentry)
		return 0;
	if (dentry == root && mnt == root_mnt) {
		s->rec.flags |= FLAG_ROOT;
		return 0;
	}
	parent = BPF_CORE_READ(dentry, d_parent);
	if (mnt && dentry == BPF_CORE_READ(mnt, mnt_root)) {
		__u64 member = __builtin_preserve_field_info(((struct mount *)0)->mnt, 0);
		struct mount *m = (void *)mnt - member, *up = BPF_CORE_READ(m, mnt_parent);

		s->dentry = (__u64)BPF_CORE_READ(m, mnt_mountpoint);
		s->mnt = (__u64)up + member;
		return up && up != m;
	}
	if (at > PATH_MAX - NAME_MAX) {
		s->rec.flags |= FLAG_CUT;
		return 0;
	}
	n = bpf_probe_read_kernel_str(&s->data[at & (PATH_MAX - 1)], NAME_MAX,
	                              BPF_CORE_READ(dentry, d_name.name));
	if (n <= 0)
		return 0;
	s->at = at + n;
	s->dentry = (__u64)parent;
	return parent != dentry;
}

/*
 * Writes the names on the way from a file up to the process's root into the
 * CPU's record from at on, each with its NUL, the last name of the path first.
 * Returns where the next byte would go. The walk takes no lock: a rename at
 * the same moment may mix two paths.
 */
__noinline int append_path(__u64 dentry, __u64 mnt, __u32 at)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct scratch *s = scratch_of_cpu();
	struct vfsmount *root_mnt;
	struct dentry *root;
	int i;

	if (!s)
		return 0;
	s->dentry = dentry;
	s->mnt = mnt;
	s->at = at;
	root = BPF_CORE_READ(task, fs, root.dentry);
	root_mnt = BPF_CORE_READ(task, fs, root.mnt);
#pragma clang loop unroll(disable)
	for (i = 0; i < PATH_DEPTH; i++)
		if (!step_up(s, root, root_mnt))
			return s->at;
	s->rec.flags |= FLAG_CUT;
	return s->at;
}

/*
 * The same for a cgroup and its ancestors. The ancestors are asked of the
 * cgroup: the field of its kernfs node was renamed.
 */
__noinline int append_cgroup(__u64 cgroup)
{
	struct scratch *s = scratch_of_cpu();
	int i;

	if (!s)
		return 0;
	s->dentry = cgroup;
	s->at = 0;
#pragma clang loop unroll(disable)
	for (i = 0; i < CGROUP_DEPTH; i++) {
		struct cgroup *cg = (struct cgroup *)s->dentry;
		struct cgroup_subsys_state *up = BPF_CORE_READ(cg, self.parent);
		__u32 at = s->at;
		long n;

		if (!up) { /* The root has no name. */
			s->rec.flags |= FLAG_ROOT;
			return at;
		}
		if (at > PATH_MAX - NAME_MAX)
			break;
		n = bpf_probe_read_kernel_str(&s->data[at & (PATH_MAX - 1)], NAME_MAX,
		                              BPF_CORE_READ(cg, kn, name));
		if (n <= 0)
			return at;
		s->at = at + n;
		s->dentry = (__u64)BPF_CORE_READ(up, cgroup);
	}
	s->rec.flags |= FLAG_CUT;
	return s->at;
}

static __always_inline enum program_mode mode_of(const struct program *p)
{
	enum program_mode *mode = bpf_map_lookup_elem(&modes, p);

	return mode ? *mode : MODE_ALL;
}

#include "follow.h"

static __always_inline __s64 inode_ctime(struct inode *inode)
{
	struct inode___v66 *v66 = (void *)inode;
	struct inode___v510 *v510 = (void *)inode;

	if (bpf_core_field_exists(inode->i_ctime_sec))
		/* Since 6.13 the highest bit says that somebody asked for it. */
		return BPF_CORE_READ(inode, i_ctime_sec) * 1000000000LL +
		       (BPF_CORE_READ(inode, i_ctime_nsec) & 0x7fffffff);
	if (bpf_core_field_exists(v66->__i_ctime))
		return BPF_CORE_READ(v66, __i_ctime.tv_sec) * 1000000000LL +
		       BPF_CORE_READ(v66, __i_ctime.tv_nsec);
	return BPF_CORE_READ(v510, i_ctime.tv_sec) * 1000000000LL +
	       BPF_CORE_READ(v510, i_ctime.tv_nsec);
}

static __always_inline void fill_key(struct file_key *k, struct inode *inode)
{
	k->ino = BPF_CORE_READ(inode, i_ino);
	k->ctime = inode_ctime(inode);
	k->size = BPF_CORE_READ(inode, i_size);
	k->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	k->pad = 0;
}

/* Sends what is held of a process's small reads. */
__noinline int flush_tail(__u32 tgid)
{
	struct tail *t = bpf_map_lookup_elem(&tails, &tgid);
	struct scratch *s = scratch_of_cpu();
	__u64 len;

	if (!t || !s)
		return 0;
	len = bounded(t->len);
	if (!len || len > TAIL)
		return 0;
	s->rec = t->rec;
	bpf_probe_read_kernel(s->data, len, t->data);
	t->len = 0;
	return send_data(len);
}

/* Holds a small read back. Reports 0 if there is no room for it. */
static __always_inline int hold(struct scratch *s, struct task *task, __u32 tgid, __u64 buf,
                                __u64 len)
{
	struct tail *t = bpf_map_lookup_elem(&tails, &tgid);
	__u32 at;

	if (!t) {
		bpf_map_update_elem(&tails, &tgid, &s->no_tail, BPF_ANY);
		t = bpf_map_lookup_elem(&tails, &tgid);
		if (!t)
			return 0;
	}
	if (!t->len)
		t->rec = s->rec;
	at = t->len & (TAIL - 1);
	len = bounded(len) & (SMALL_READ * 2 - 1);
	if (bpf_probe_read_user(&t->data[at], len, (const void *)buf)) {
		count_loss(LOSS_FAULT);
		task->lost |= 1 << LOSS_FAULT;
		return 1;
	}
	at += len;
	t->len = at;
	/*
	 * A pipe or a redirected file is compiled when it has been read to its end:
	 * only what is typed runs line by line.
	 */
	if (at > TAIL - SMALL_READ ||
	    ((s->rec.mode & S_IFMT) != S_IFIFO && t->data[(at - 1) & (TAIL - 1)] == '\n'))
		flush_tail(tgid);
	return 1;
}

/* Forgets what a thread loads. */
static __always_inline void end_load(__u32 tgid, __u32 tid)
{
	__u64 id = (__u64)tgid << 32 | tid;

	if (any_loads)
		bpf_map_delete_elem(&loads, &id);
}

/* Forgets a process, telling user space if it knows of it. */
static __always_inline void end_task(struct task *t, __u32 tgid)
{
	struct scratch *s = scratch_of_cpu();
	struct program p = t->program;
	__u32 lost;

	flush_tail(tgid);
	bpf_map_delete_elem(&tails, &tgid);
	lost = t->lost;
	if (p.tgid == tgid && !t->told && !t->sent)
		count_loss(LOSS_UNSEEN);
	if (s && (t->sent || p.tgid == tgid) && mode_of(&p) != MODE_IGNORE) {
		start_record(&s->rec, RECORD_EXIT, &p, tgid);
		s->rec.lost = lost;
		send_data(0);
	}
	bpf_map_delete_elem(&tasks, &tgid);
}

static __always_inline void send_exec_path(struct scratch *s, enum record_kind kind,
                                           const struct program *p, struct dentry *dentry,
                                           struct vfsmount *mnt)
{
	start_record(&s->rec, kind, p, p->tgid);
	send_piece(append_path((__u64)dentry, (__u64)mnt, 0));
}

/*
 * The cgroup that tells where a process runs: that of the unified hierarchy or,
 * on a machine that does not use it for that, the one of a controller.
 */
static __always_inline struct cgroup *cgroup_of(struct task_struct *task, int *v2)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup *cg = BPF_CORE_READ(set, dfl_cgrp);
	struct cgroup_subsys_state *css;
	__u32 id;

	*v2 = cg && BPF_CORE_READ(cg, self.parent);
	if (*v2)
		return cg;
	if (bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		id = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	else if (bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		id = bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
	else
		return 0;
	bpf_probe_read_kernel(&css, sizeof(css),
	                      (void *)__builtin_preserve_access_index(&set->subsys) +
	                          id * sizeof(css));
	return css ? BPF_CORE_READ(css, cgroup) : 0;
}

#include "ceiling.h"

static __always_inline void send_cgroup(struct scratch *s, const struct program *p,
                                        struct task_struct *task)
{
	int v2;
	struct cgroup *cg = cgroup_of(task, &v2);

	start_record(&s->rec, RECORD_CGROUP, p, p->tgid);
	if (v2)
		s->rec.flags = FLAG_V2;
	if (cg)
		send_piece(append_cgroup((__u64)cg));
}

/* Sends a part of the process's memory as the pieces of the CPU's record. */
__noinline int send_memory(__u64 start, __u64 len)
{
	struct scratch *s = scratch_of_cpu();
	int i;

	if (!s)
		return -1;
	start_copy(s, start, len, 0);
#pragma clang loop unroll(disable)
	for (i = 0; i < MAX_ARGS / CHUNK; i++) {
		int n = next_chunk();

		if (n < 0)
			s->failed++;
		if (n <= 0)
			return n;
		send_piece(n);
	}
	return 0;
}

static __always_inline void send_parents(struct scratch *s, const struct program *p,
                                         struct task_struct *task)
{
	int i;

#pragma clang loop unroll(disable)
	for (i = 0; i < MAX_PARENTS; i++) {
		struct parent *out = &s->parent;
		struct file *exe;
		__u32 tgid;

		task = BPF_CORE_READ(task, real_parent, group_leader);
		if (!task)
			break;
		tgid = BPF_CORE_READ(task, tgid);
		if (!tgid)
			break;
		start_record(&s->rec, RECORD_PARENT, p, p->tgid);
		out->start = BPF_CORE_READ(task, start_boottime);
		out->tgid = tgid;
		out->index = i;
		bpf_probe_read_kernel(out->comm, sizeof(out->comm),
		                      __builtin_preserve_access_index(&task->comm));
		exe = BPF_CORE_READ(task, mm, exe_file);
		send_piece(append_path((__u64)BPF_CORE_READ(exe, f_path.dentry),
		                       (__u64)BPF_CORE_READ(exe, f_path.mnt), sizeof(*out)));
	}
}

/* What is open where: a script may be given by its descriptor. */
static __always_inline void fill_fds(struct exec_record *e)
{
	int i;

#pragma clang loop unroll(full)
	for (i = 0; i < MAX_FDS; i++) {
		struct file *file = file_of(i);
		struct inode *inode;

		if (!file)
			continue;
		inode = BPF_CORE_READ(file, f_inode);
		e->fds[i].ino = BPF_CORE_READ(inode, i_ino);
		e->fds[i].mode = BPF_CORE_READ(inode, i_mode);
	}
}

#include "hold.h"
#include "namespace.h"

static __always_inline void send_exec(struct scratch *s, const struct program *p,
                                      struct task_struct *task, struct file *exe,
                                      const struct file_key *key, enum binary_class binary,
                                      const struct program *starter)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	__u64 ids = bpf_get_current_uid_gid();
	struct exec_record *e = &s->exec;
	__u32 tgid = p->tgid;
	struct task *mark;
	__u64 args, env;

	s->failed = 0;
	args = BPF_CORE_READ(mm, arg_start);
	env = BPF_CORE_READ(mm, env_start);
	__builtin_memset(e, 0, sizeof(*e));
	e->args_len = BPF_CORE_READ(mm, arg_end) - args;
	e->env_len = BPF_CORE_READ(mm, env_end) - env;
	if (e->args_len < CHUNK || may_take(e->args_len, 0)) {
		start_record(&s->rec, RECORD_ARGS, p, p->tgid);
		send_memory(args, e->args_len);
		start_record(&s->rec, RECORD_ENV, p, p->tgid);
		send_memory(env, e->env_len > MAX_ENV ? MAX_ENV : e->env_len);
	} else {
		count_loss(LOSS_CEILING);
		s->failed++;
	}
	send_exec_path(s, RECORD_EXE, p, BPF_CORE_READ(exe, f_path.dentry),
	               BPF_CORE_READ(exe, f_path.mnt));
	send_exec_path(s, RECORD_CWD, p, BPF_CORE_READ(task, fs, pwd.dentry),
	               BPF_CORE_READ(task, fs, pwd.mnt));
	send_cgroup(s, p, task);
	send_parents(s, p, task);

	start_record(&e->head, RECORD_EXEC, p, p->tgid);
	e->head.file = *key;
	e->head.time = p->exec;
	e->head.mode = BPF_CORE_READ(exe, f_inode, i_mode);
	e->head.magic = BPF_CORE_READ(exe, f_inode, i_sb, s_magic);
	e->head.lost = s->failed;
	e->start = BPF_CORE_READ(task, group_leader, start_boottime);
	e->ppid = BPF_CORE_READ(task, real_parent, tgid);
	e->uid = ids;
	e->gid = ids >> 32;
	e->binary = binary;
	fill_namespaces(e, task);
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	fill_fds(e);
	fill_companion(e, exe, starter);
	e->root = s->root;
	s->held = 0;
	if ((binary == BINARY_PYTHON || binary == BINARY_UNKNOWN) && held_at_exec(task) &&
	    stop_here(p->exec))
		e->head.flags = FLAG_HELD;
	if (s->before)
		e->head.flags |= FLAG_EARLY;
	if (bpf_ringbuf_output(&exec_ring, e, sizeof(*e), BPF_RB_NO_WAKEUP)) {
		count_loss(LOSS_EXEC_RING);
		go_on_here();
	} else {
		count_sent(0);
		wake_reader(&exec_ring, READER_EXEC);
		mark = bpf_map_lookup_elem(&tasks, &tgid);
		if (mark)
			mark->told = 1;
	}
	s->held = 0;
}

/*
 * Runs in the process that executed a binary, when its new memory is ready. A
 * binary that is known to be neither a Python nor a shell costs one look-up; a
 * shell is not followed, and told only when a followed program started it or a
 * connection is its standard input. Drops an exec when the exec ring is full; the
 * process is followed all the same.
 */
SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct file *exe = BPF_CORE_READ(task, mm, exe_file);
	struct program starter = {};
	struct follow *follow;
	struct file_key key = {};
	struct task *old, mark = {};
	struct scratch *s;
	enum binary_class *class;
	__u32 before;

	follow = watched_now(&before);
	if (follow && before && !may_act_early(follow, tgid))
		follow = 0;
	fill_key(&key, BPF_CORE_READ(exe, f_inode));
	class = bpf_map_lookup_elem(&binaries, &key);
	end_load(tgid, ctx->args[1]); /* another thread may have been this one */
	old = bpf_map_lookup_elem(&tasks, &tgid);
	if (old) {
		starter = old->program;
		end_task(old, tgid);
	}
	if (class && *class == BINARY_OTHER && !follow)
		return 0;
	mark.program.exec = bpf_ktime_get_boot_ns();
	mark.program.tgid = tgid;
	mark.unknown = !class;
	if (class && *class != BINARY_PYTHON) {
		if (!old && !follow && !stdin_socket())
			return 0;
	} else if (bpf_map_update_elem(&tasks, &tgid, &mark, BPF_ANY)) {
		count_loss(LOSS_TASKS);
	}
	s = scratch_of_cpu();
	if (!s)
		return 0;
	__builtin_memset(&s->root, 0, sizeof(s->root));
	if (follow)
		s->root = follow->root;
	s->before = before;
	if (!class || *class == BINARY_PYTHON)
		begin_early(&mark.program, task, !class);
	send_exec(s, &mark.program, task, exe, &key, class ? *class : BINARY_UNKNOWN, &starter);
	return 0;
}

/* Runs in the parent: a child process of a watched one is watched too. */
SEC("raw_tp/sched_process_fork")
int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *child = (struct task_struct *)ctx->args[1];
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, child_tgid;
	struct task *t = bpf_map_lookup_elem(&tasks, &tgid), mark = {};

	child_tgid = BPF_CORE_READ(child, tgid);
	if (child_tgid != tgid)
		follow_fork(child_tgid);
	if (!t)
		return 0;
	if (child_tgid == tgid || mode_of(&t->program) == MODE_IGNORE)
		return 0;
	mark.program = t->program;
	mark.unknown = t->unknown;
	mark.imports = t->imports;
	mark.foreign = t->foreign;
	if (bpf_map_update_elem(&tasks, &child_tgid, &mark, BPF_ANY))
		count_loss(LOSS_TASKS);
	return 0;
}

/* Runs in every ending thread; the last one of a process ends it. */
SEC("raw_tp/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32;
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	struct follow *f;
	struct task *t;

	end_load(tgid, id);
	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;
	f = bpf_map_lookup_elem(&early, &tgid);
	if (f)
		end_early(f, tgid);
	t = bpf_map_lookup_elem(&tasks, &tgid);
	if (t) {
		forget_hold(t, tgid);
		end_task(t, tgid);
	}
	if (following)
		bpf_map_delete_elem(&followed, &tgid);
	return 0;
}

/* Whether a file is named like a module: .py, .pyc, .pyw in any case. */
static __always_inline int is_module(struct file *file)
{
	struct dentry *d = BPF_CORE_READ(file, f_path.dentry);
	__u32 len = BPF_CORE_READ(d, d_name.len);
	__u8 end[4];

	if (len < 4 ||
	    bpf_probe_read_kernel(end, sizeof(end), BPF_CORE_READ(d, d_name.name) + len - 4))
		return 0;
	if (end[1] == '.')
		return (end[2] | 32) == 'p' && (end[3] | 32) == 'y';
	return end[0] == '.' && (end[1] | 32) == 'p' && (end[2] | 32) == 'y' &&
	       ((end[3] | 32) == 'c' || (end[3] | 32) == 'w');
}

/*
 * What is known of a file's content. A file that is open for writing may be
 * changed through a mapping without a new ctime, so nothing is known of it.
 */
static __always_inline enum file_state state_of(struct inode *inode, const struct file_key *key)
{
	enum file_state *state = bpf_map_lookup_elem(&known, key);

	if (!state || BPF_CORE_READ(inode, i_writecount.counter) > 0)
		return FILE_NEW;
	return *state;
}

#include "open.h"

/* Notes whether a read of a file is one of marshal.load. */
static __always_inline void note_loading(struct pending *p, const struct task *t,
                                         struct inode *inode)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct load *load = t->loads ? bpf_map_lookup_elem(&loads, &id) : 0;

	if (!load || load->head.file.ino != BPF_CORE_READ(inode, i_ino) ||
	    load->head.file.dev != BPF_CORE_READ(inode, i_sb, s_dev))
		return;
	p->loading = 1;
	p->begins = load->begins;
}

static __always_inline int enter_read(__u32 fd, __u64 buf, __s64 pos)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32, mode, type;
	struct task *t = bpf_map_lookup_elem(&tasks, &tgid);
	struct pending p = {};
	struct inode *inode;
	struct file *file;

	if (!t)
		return 0;
	if (t->held)
		note_running(t, tgid);
	mode = mode_of(&t->program);
	if (mode == MODE_IGNORE)
		return 0;
	if (mode != MODE_ALL)
		t->unknown = 0;
	file = file_of(fd);
	if (!file)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	type = BPF_CORE_READ(inode, i_mode) & S_IFMT;
	note_loading(&p, t, inode);
	if (mode == MODE_MODULES &&
	    (type != S_IFREG || !(p.loading || is_module(file) || is_judged(t, file))))
		return 0;
	if (mode == MODE_AGAIN && type != S_IFREG)
		return 0;
	if (type == S_IFREG) {
		struct file_key key;

		fill_key(&key, inode);
		if (state_of(inode, &key) == FILE_IGNORE && (mode != MODE_ALL || !is_module(file)))
			return 0;
	} else if (type != S_IFIFO && type != S_IFSOCK && type != S_IFCHR) {
		return 0;
	}
	p.buf = buf;
	p.file = (__u64)file;
	p.pos = pos;
	p.fd = fd;
	if (bpf_map_update_elem(&reads, &id, &p, BPF_ANY)) {
		count_loss(LOSS_READS);
		t->lost |= 1 << LOSS_READS;
		t->foreign = 1;
	}
	return 0;
}

/*
 * Notes that a process has read something that may be code, and is not of its
 * interpreter's library. Before that is used for the first time nothing but a
 * module can be: what is read then are settings.
 */
static __always_inline void note_foreign(struct task *t, struct file *file, struct inode *inode)
{
	struct file_key key;

	if (t->foreign || (!t->imports && !is_module(file)))
		return;
	fill_key(&key, inode);
	t->foreign = state_of(inode, &key) < FILE_IGNORE;
}

/* Sends what a read copied to buf as the data of the CPU's record. */
__noinline int send_bytes(__u64 buf, __u64 len, __u64 offset)
{
	struct scratch *s = scratch_of_cpu();
	int i;

	if (!s)
		return -1;
	start_copy(s, buf, len, offset);
#pragma clang loop unroll(disable)
	for (i = 0; i < MAX_TEXT / CHUNK; i++) {
		int n = next_chunk();

		if (n <= 0)
			return n;
		send_data(n);
	}
	return 0;
}

/* begins is where the text begins in the file; before it another one may. */
static __always_inline void send_read(struct scratch *s, struct task *t, struct reading *r,
                                      __u64 buf, __u64 len, __u64 offset, __s64 begins)
{
	__u64 at = (__s64)offset < begins ? offset : offset - begins;
	__u64 room = at < MAX_TEXT ? MAX_TEXT - at : 0;

	if (len > room) {
		s->rec.flags |= FLAG_TRUNCATED;
		len = room;
	}
	if (!(s->rec.flags & FLAG_STREAM) && r->bytes > MAX_READ) {
		count_loss(LOSS_BUDGET);
		t->lost |= 1 << LOSS_BUDGET;
	} else if (t->unknown && t->bytes > MAX_UNKNOWN) {
		t->lost |= 1 << LOSS_UNKNOWN;
	} else if (!may_take(len, at + len <= HEAD)) {
		if (!(t->lost &
		      1 << LOSS_CEILING)) /* once a process: it may be thousands of reads */
			count_loss(LOSS_CEILING);
		t->lost |= 1 << LOSS_CEILING;
	} else if (len) {
		t->bytes += len;
		if (send_bytes(buf, len, offset))
			t->lost |= 1 << LOSS_FAULT;
	} else if (!r->truncated) {
		/* Said once: the rest is too long to keep. */
		r->truncated = 1;
		s->rec.offset = offset;
		send_data(0);
	}
}

static __always_inline int leave_read(__s64 ret)
{
	__u64 id = bpf_get_current_pid_tgid(), offset;
	struct pending *found = bpf_map_lookup_elem(&reads, &id), p;
	__u32 tgid = id >> 32, state = FILE_NEW, first = 0;
	struct reading_key rkey = {};
	struct scratch *s;
	struct reading *r;
	struct inode *inode;
	struct file *file;
	struct tail *tail;
	struct task *t;

	if (!found)
		return 0;
	p = *found;
	bpf_map_delete_elem(&reads, &id);
	t = bpf_map_lookup_elem(&tasks, &tgid);
	s = scratch_of_cpu();
	if (ret < 0 || !t || !s)
		return 0;
	file = (struct file *)p.file;
	inode = BPF_CORE_READ(file, f_inode);
	note_foreign(t, file, inode);
	tail = bpf_map_lookup_elem(&tails, &tgid);
	if (tail && tail->len &&
	    (!ret || ret > SMALL_READ || tail->rec.file.ino != BPF_CORE_READ(inode, i_ino)))
		flush_tail(tgid);

	start_record(&s->rec, RECORD_PATH, &t->program, tgid);
	fill_key(&s->rec.file, inode);
	s->rec.mode = BPF_CORE_READ(inode, i_mode);
	s->rec.magic = BPF_CORE_READ(inode, i_sb, s_magic);
	s->rec.fd = p.fd;
	if (BPF_CORE_READ(inode, i_writecount.counter) > 0)
		s->rec.flags = FLAG_WRITERS;
	if (p.loading) {
		s->rec.flags |= FLAG_LOADED;
		s->rec.tid = id;
	}

	rkey.program = t->program;
	rkey.ino = s->rec.file.ino;
	rkey.dev = s->rec.file.dev;
	rkey.tgid = tgid;
	r = bpf_map_lookup_elem(&readings, &rkey);
	if (!r) {
		struct reading none = {};

		bpf_map_update_elem(&readings, &rkey, &none, BPF_ANY);
		r = bpf_map_lookup_elem(&readings, &rkey);
		if (!r)
			return 0;
		first = FLAG_FIRST;
	}
	if ((s->rec.mode & S_IFMT) == S_IFREG) {
		if (r->ctime != s->rec.file.ctime) {
			/* Changed, or another file with a number used again. */
			r->ctime = s->rec.file.ctime;
			r->mentioned = 0;
			first = FLAG_FIRST;
		}
		if (!r->sought && was_sought(t)) {
			/* Read as data before, if at all. */
			r->sought = 1;
			r->mentioned = 0;
			first = FLAG_FIRST;
		}
		state = p.loading ? FILE_NEW : state_of(inode, &s->rec.file);
		offset = p.pos >= 0 ? p.pos : BPF_CORE_READ(file, f_pos) - ret;
	} else {
		s->rec.flags |= FLAG_STREAM;
		offset = r->bytes;
	}
	held_at_read(s, t, file, state, p.buf, offset, ret);
	if (state != FILE_NEW && r->mentioned && (offset || r->mentioned > MENTIONS))
		return 0;
	if (first) {
		/* The flags of the walk belong to this record alone. */
		__u32 flags = s->rec.flags;

		s->rec.flags |= first;
		if (r->sought)
			s->rec.flags |= FLAG_SOUGHT;
		if (in_upper_layer(inode))
			s->rec.flags |= FLAG_UPPER;
		send_data(append_path((__u64)BPF_CORE_READ(file, f_path.dentry),
		                      (__u64)BPF_CORE_READ(file, f_path.mnt), 0));
		s->rec.flags = flags | first;
	}
	if (state != FILE_NEW) {
		r->mentioned++;
		if (!offset)
			s->rec.flags |= FLAG_BEGINS;
		s->rec.kind = RECORD_HAVE;
		s->rec.offset = state;
		send_data(0);
		return 0;
	}
	s->rec.offset = offset;
	if (!ret) {
		s->rec.kind = RECORD_EOF;
		send_data(0);
		return 0;
	}
	r->bytes += ret;
	/* Scripts are read in short pieces: this is none. */
	if (ret > HEAD && !p.loading && mode_of(&t->program) == MODE_AGAIN && !is_module(file))
		ret = HEAD;
	s->rec.kind = RECORD_DATA;
	if (ret <= SMALL_READ && (s->rec.flags & FLAG_STREAM) && offset < MAX_TEXT - SMALL_READ &&
	    hold(s, t, tgid, p.buf, ret))
		return 0;
	send_read(s, t, r, p.buf, ret, offset, p.begins);
	return 0;
}

/*
 * The system call tracepoints run in every process that reads; one that is not
 * followed pays one look-up. System calls of 32-bit processes on 64-bit kernels
 * do not pass here. To read no bytes at all, as marshal.load does first, says
 * nothing about an end.
 */
SEC("tracepoint/syscalls/sys_enter_read")
int on_read(struct syscall_enter *ctx)
{
	return ctx->args[2] ? enter_read(ctx->args[0], ctx->args[1], -1) : 0;
}

SEC("tracepoint/syscalls/sys_enter_pread64")
int on_pread(struct syscall_enter *ctx)
{
	return ctx->args[2] ? enter_read(ctx->args[0], ctx->args[1], ctx->args[3]) : 0;
}

SEC("tracepoint/syscalls/sys_exit_read")
int on_read_done(struct syscall_exit *ctx)
{
	leave_read(ctx->ret);
	end_hold();
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_pread64")
int on_pread_done(struct syscall_exit *ctx)
{
	leave_read(ctx->ret);
	end_hold();
	return 0;
}

#include "compile.h"
#include "marshal.h"
#include "tree.h"
#include "load.h"
