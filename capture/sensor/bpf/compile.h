/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What an interpreter compiles while it runs: exec, eval, compile, marshal.
 *
 * These programs are attached to cold functions of an interpreter's binary, the
 * ones that are handed a whole text, when user space has found where they are.
 *
 * A user probe is preemptible: nothing here touches the scratch buffers, a text
 * is copied straight into its place in the ring. No place is held across
 * anything that may sleep, for the ring's reader waits for the oldest.
 */
#ifndef KINGSNAKE_COMPILE_H
#define KINGSNAKE_COMPILE_H

/* The most bytes of texts that take less of the ring than a whole record. */
#define TINY 256
#define SHORT 4096

/* What one program may have copied in a second. */
#define MAX_TEXTS_SECOND 512
#define MAX_BYTES_SECOND (2 * MAX_TEXT)

enum compiled_flag {
	COMPILED_LAST = 1,       /* the text ends with this record */
	COMPILED_CUT = 2,        /* and was longer */
	COMPILED_MARSHAL = 4,    /* it is no text, but what marshal wrote */
	COMPILED_RUNNING = 8,    /* the process was there before the sensor */
	COMPILED_OBJECT = 16,    /* marshal.loads was given an object that is not known: no text */
	COMPILED_PARSED = 32,    /* no code was asked for, only its tree: ast.parse does that */
	COMPILED_TREE = 64,      /* code was asked for of a tree: no text */
	COMPILED_FILE = 128,     /* marshal.load was given what is not followed: no text */
	COMPILED_LEFT_OUT = 256, /* the program compiles too much: no text */
};

/* A record of the ring of compiled texts. len bytes of data follow. */
struct compiled {
	struct program program;
	__u64 time;   /* of the call, since boot, in nanoseconds */
	__u64 offset; /* of the data in the text */
	__u32 tgid;
	__u32 tid; /* with time, this tells calls apart */
	__u32 len;
	enum compiled_flag flags;
};

/* Texts are hashed in blocks; the last one is filled up with zeros: see hash.h. */
#include "hash.h"

struct long_text {
	struct compiled head;
	__u8 data[CHUNK + BLOCK];
};

/* A text that a program has compiled before; hash is keyed. */
struct compiled_key {
	struct program program;
	__u64 hash;
	__u64 len;
	__u64 parsed; /* whether to a tree alone */
};

/* A text that is being sent: what comes next. */
struct call {
	struct compiled head;
	__u64 from;
	__u64 left;
};

struct spent {
	__u64 second;
	__u64 bytes;
	__u32 texts;
	__u32 told; /* whether it was said that the program compiles too much */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} compile_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct compiled_key);
	__type(value, __u32);
} compiled_before SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct program);
	__type(value, struct spent);
} spending SEC(".maps");

/* By thread, for a call does not return before its text was sent. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct call);
} calls SEC(".maps");

static __always_inline void count_compile_loss(enum loss reason)
{
	__u64 *n = bpf_map_lookup_elem(&losses, &reason);

	if (n)
		__sync_fetch_and_add(n, 1);
}

/*
 * Hashes the head.len bytes of a text, at most limit. The length is read again
 * for each block: what the verifier does not follow is cheap to verify.
 */
static __always_inline __u64 hash_text(const struct compiled *head, __u8 *data, const __u32 limit)
{
	const volatile __u32 *len = &head->len;
	__u64 h = hash_seed ^ *len;
	__u32 at, end = *len;

	if (end > limit)
		return 0;
	__builtin_memset(data + end, 0, BLOCK);
#pragma clang loop unroll(disable)
	for (at = 0; at < limit; at += BLOCK) {
		if (at >= *len)
			break;
		h = hash_block(h, (__u64 *)(data + at));
	}
	return h;
}

static __always_inline void start_compiled(struct compiled *c, __u32 flags)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32;
	struct task *t = bpf_map_lookup_elem(&tasks, &tgid);

	c->time = bpf_ktime_get_boot_ns();
	c->offset = 0;
	c->tgid = tgid;
	c->tid = id;
	c->len = 0;
	c->flags = flags;
	if (t) {
		c->program = t->program;
		t->foreign = 1;
	} else {
		struct task_struct *task = (struct task_struct *)bpf_get_current_task();

		c->program.exec = BPF_CORE_READ(task, group_leader, start_boottime);
		c->program.tgid = tgid;
		c->program.pad = 0;
		c->flags |= COMPILED_RUNNING;
	}
}

/* Whether the program has room left in this second for a text, and takes it. */
static __always_inline int spend(const struct compiled *c, __u64 bytes, __u32 texts)
{
	struct spent *s = bpf_map_lookup_elem(&spending, &c->program);
	__u64 second = c->time >> 30; /* nearly */

	if (!s) {
		struct spent none = {};

		bpf_map_update_elem(&spending, &c->program, &none, BPF_ANY);
		s = bpf_map_lookup_elem(&spending, &c->program);
		if (!s)
			return 0;
	}
	if (s->second != second) {
		s->second = second;
		s->bytes = 0;
		s->texts = 0;
	}
	if (s->texts >= MAX_TEXTS_SECOND || s->bytes >= MAX_BYTES_SECOND ||
	    !may_take(bytes, bytes < HEAD))
		return 0;
	s->texts += texts;
	s->bytes += bytes;
	return 1;
}

/* Counts a text that there is no room for, and says it once of a program. */
__noinline int leave_out(void)
{
	struct compiled c, *told;
	struct spent *s;

	count_compile_loss(LOSS_COMPILED_BUDGET);
	start_compiled(&c, COMPILED_LEFT_OUT | COMPILED_LAST);
	s = bpf_map_lookup_elem(&spending, &c.program);
	if (!s || s->told)
		return 0;
	told = bpf_ringbuf_reserve(&compile_ring, sizeof(*told), 0);
	if (!told)
		return 0; /* the next time */
	s->told = 1;
	*told = c;
	bpf_ringbuf_submit(told, BPF_RB_NO_WAKEUP);
	wake_reader(&compile_ring, READER_COMPILED);
	return 0;
}

/*
 * Copies at most room bytes of a text that ends with a NUL, or is left bytes
 * long if that is not 0. Returns how many belong to the text, and sets *last if
 * it ends there; -1 when it cannot be read.
 */
static __always_inline long copy_part(__u8 *to, const __u32 room, __u64 from, __u64 left, int *last)
{
	long n;

	if (left) {
		__u64 len = left < room ? left : room;

		len = bounded(len);
		if (!len || len > room)
			return -1;
		*last = left <= room;
		return bpf_probe_read_user(to, len, (const void *)from) ? -1 : (long)len;
	}
	n = bpf_probe_read_user_str(to, room, (const void *)from);
	if (n <= 0)
		return -1;
	/* A full room is taken to go on: what follows is then the NUL alone. */
	*last = n < room;
	return n - 1;
}

/*
 * Whether a whole text is to be sent: the program did not compile it before and
 * has room left.
 */
static __always_inline int is_new(const struct compiled *c, __u64 hash, __u64 len)
{
	struct compiled_key key = {};
	__u32 yes = 1;

	key.program = c->program;
	key.hash = hash;
	key.len = len;
	key.parsed = c->flags & COMPILED_PARSED;
	if (bpf_map_lookup_elem(&compiled_before, &key))
		return 0;
	if (!spend(c, len, 1)) {
		leave_out();
		return 0;
	}
	bpf_map_update_elem(&compiled_before, &key, &yes, BPF_ANY);
	return 1;
}

/* Sends a text of at most room bytes. Returns whether the text is longer. */
static __always_inline int send_short(const struct compiled *c, __u64 from, __u64 left,
                                      const __u32 room)
{
	struct compiled *head;
	int last = 0;
	__u8 *data;
	long n;

	if (left > room)
		return 1;
	head = bpf_ringbuf_reserve(&compile_ring, sizeof(*head) + room + BLOCK, 0);
	if (!head) {
		count_compile_loss(LOSS_COMPILED_RING);
		return 0;
	}
	data = (__u8 *)(head + 1);
	n = copy_part(data, room, from, left, &last);
	if (n < 0)
		count_compile_loss(LOSS_COMPILED_FAULT);
	if (n <= 0 || !last) {
		bpf_ringbuf_discard(head, BPF_RB_NO_WAKEUP);
		return n > 0;
	}
	*head = *c;
	head->len = n;
	head->flags |= COMPILED_LAST;
	if (is_new(c, hash_text(head, data, room), n)) {
		bpf_ringbuf_submit(head, BPF_RB_NO_WAKEUP);
		wake_reader(&compile_ring, READER_COMPILED);
	} else {
		bpf_ringbuf_discard(head, BPF_RB_NO_WAKEUP);
	}
	return 0;
}

/*
 * Sends the next record of the thread's call. Returns whether there is more. A
 * text that fits a record is sent only once; of a longer one user space finds
 * out. Takes nothing, as its state lies in a map: so it is verified once.
 */
__noinline int send_chunk(void)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct call *c = bpf_map_lookup_elem(&calls, &id);
	struct long_text *text;
	int last = 0, send;
	long n;

	if (!c)
		return 0;
	text = bpf_ringbuf_reserve(&compile_ring, sizeof(*text), 0);
	if (!text) {
		count_compile_loss(LOSS_COMPILED_RING);
		return 0;
	}
	n = copy_part(text->data, CHUNK, c->from, c->left, &last);
	if (n < 0) {
		count_compile_loss(LOSS_COMPILED_FAULT);
		bpf_ringbuf_discard(text, BPF_RB_NO_WAKEUP);
		return 0;
	}
	text->head = c->head;
	text->head.len = n;
	if (c->head.offset + n > MAX_TEXT) {
		text->head.flags |= COMPILED_CUT;
		last = 1;
	}
	if (last)
		text->head.flags |= COMPILED_LAST;
	if (!c->head.offset && last) {
		send = is_new(&c->head, hash_text(&text->head, text->data, CHUNK), n);
	} else {
		send = spend(&c->head, n, !c->head.offset);
		if (!send)
			leave_out();
	}
	if (!send) {
		bpf_ringbuf_discard(text, BPF_RB_NO_WAKEUP);
		return 0;
	}
	bpf_ringbuf_submit(text, BPF_RB_NO_WAKEUP);
	wake_reader(&compile_ring, READER_COMPILED);
	c->head.offset += n;
	c->from += n;
	if (c->left)
		c->left -= n;
	return !last;
}

/* Sends a text in records of up to CHUNK bytes. */
static __always_inline void send_long(const struct compiled *head, __u64 from, __u64 left)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct call c = {.head = *head, .from = from, .left = left};
	int i;

	if (bpf_map_update_elem(&calls, &id, &c, BPF_ANY)) {
		count_compile_loss(LOSS_COMPILED_RING);
		return;
	}
#pragma clang loop unroll(disable)
	for (i = 0; i < MAX_TEXT / CHUNK + 2; i++)
		if (!send_chunk())
			break;
	bpf_map_delete_elem(&calls, &id);
}

/* left is the length, or 0 for a text that ends with a NUL. */
static __always_inline void send_compiled(__u64 from, __u64 left, __u32 flags)
{
	struct compiled c;

	start_compiled(&c, flags);
	/* Nothing of one that is over its budget takes room in the ring. */
	if (!spend(&c, 0, 0)) {
		leave_out();
		return;
	}
	if (send_short(&c, from, left, TINY) && send_short(&c, from, left, SHORT))
		send_long(&c, from, left);
}

/*
 * PyRun_StringFlags and PyRun_SimpleStringFlags: the text is the first argument, in
 * UTF-8.
 */
SEC("uprobe")
int on_source(struct registers *ctx)
{
	send_compiled(ARGUMENT_1(ctx), 0, 0);
	return 0;
}

/* PyCF_ONLY_AST of CPython, from 2.7 to 3.14. */
#define ONLY_TREE 0x400

/*
 * Py_CompileStringObject and Py_CompileStringFlags: the text again, and a pointer
 * to flags as the fourth argument.
 */
SEC("uprobe")
int on_compile(struct registers *ctx)
{
	__u32 flags = 0;

	bpf_probe_read_user(&flags, sizeof(flags), (const void *)ARGUMENT_4(ctx));
	send_compiled(ARGUMENT_1(ctx), 0, flags & ONLY_TREE ? COMPILED_PARSED : 0);
	return 0;
}

/*
 * PyMarshal_ReadObjectFromString: a pointer and a length. An interpreter reads
 * its frozen modules this way, from its own file: the cookie says how far the
 * part of it that nobody writes to reaches, before and after the function.
 */
SEC("uprobe")
int on_marshal_memory(struct registers *ctx)
{
	__u64 from = ARGUMENT_1(ctx), len = ARGUMENT_2(ctx), at = INSTRUCTION(ctx);
	__u64 cookie = bpf_get_attach_cookie(ctx);

	if (len && (from < at - (cookie >> 32) || from >= at + (__u32)cookie))
		send_compiled(from, len, COMPILED_MARSHAL);
	return 0;
}

#endif
