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

/* The most bytes of a short text, as most are: it takes less of the ring. */
#define SHORT 4096

/* What one program may have copied in a second. */
#define MAX_TEXTS_SECOND 512
#define MAX_BYTES_SECOND (2 * MAX_TEXT)

enum compiled_flag {
	COMPILED_LAST = 1,    /* the text ends with this record */
	COMPILED_CUT = 2,     /* and was longer */
	COMPILED_MARSHAL = 4, /* it is no text, but what marshal wrote */
	COMPILED_RUNNING = 8, /* the process was there before the sensor */
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

/* Makes the type known to user space; nothing is ever there. */
const struct compiled *unused __attribute__((unused));

struct short_text {
	struct compiled head;
	__u8 data[SHORT];
};

struct long_text {
	struct compiled head;
	__u8 data[CHUNK];
};

/* A text that a program has compiled before; hash is keyed. */
struct compiled_key {
	struct program program;
	__u64 hash;
	__u64 len;
};

struct spent {
	__u64 second;
	__u64 bytes;
	__u32 texts;
	__u32 pad;
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

/*
 * The key of the hash, drawn anew by each sensor: who does not know it cannot
 * make a text that passes for another one.
 */
const volatile __u64 hash_seed = 1;
const volatile __u64 hash_factor = 0x9e3779b97f4a7c15;

static __always_inline void count_compile_loss(enum loss reason)
{
	__u64 *n = bpf_map_lookup_elem(&losses, &reason);

	if (n)
		__sync_fetch_and_add(n, 1);
}

/* Hashes len bytes, at most limit, which is a multiple of 8. */
static __always_inline __u64 hash_text(const __u8 *data, __u32 len, const __u32 limit)
{
	__u64 h = hash_seed ^ len;
	__u32 at;

#pragma clang loop unroll(disable)
	for (at = 0; at < limit; at += 8) {
		__u64 word;

		if (at >= len)
			break;
		word = *(const __u64 *)(data + at);
		if (len - at < 8)
			word &= ~0ULL >> (64 - 8 * (len - at));
		h = (h ^ word) * hash_factor;
		h ^= h >> 29;
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
	if (s->texts >= MAX_TEXTS_SECOND || s->bytes >= MAX_BYTES_SECOND)
		return 0;
	s->texts += texts;
	s->bytes += bytes;
	return 1;
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
	if (bpf_map_lookup_elem(&compiled_before, &key))
		return 0;
	if (!spend(c, len, 1)) {
		count_compile_loss(LOSS_COMPILED_BUDGET);
		return 0;
	}
	bpf_map_update_elem(&compiled_before, &key, &yes, BPF_ANY);
	return 1;
}

/* Sends a text of at most SHORT bytes. Returns whether the text is longer. */
static __always_inline int send_short(struct compiled *c, __u64 from, __u64 left)
{
	struct short_text *text;
	int last = 0;
	long n;

	if (left > SHORT)
		return 1;
	text = bpf_ringbuf_reserve(&compile_ring, sizeof(*text), 0);
	if (!text) {
		count_compile_loss(LOSS_COMPILED_RING);
		return 0;
	}
	n = copy_part(text->data, SHORT, from, left, &last);
	if (n < 0)
		count_compile_loss(LOSS_COMPILED_FAULT);
	if (n <= 0 || !last || !is_new(c, hash_text(text->data, n, SHORT), n)) {
		bpf_ringbuf_discard(text, 0);
		return n > 0 && !last;
	}
	text->head = *c;
	text->head.len = n;
	text->head.flags |= COMPILED_LAST;
	bpf_ringbuf_submit(text, 0);
	return 0;
}

/*
 * Sends a text in records of up to CHUNK bytes. One that fits a record is sent
 * only once; of a longer one user space finds out.
 */
static __always_inline void send_long(struct compiled *c, __u64 from, __u64 left)
{
	int i;

#pragma clang loop unroll(disable)
	for (i = 0; i < MAX_TEXT / CHUNK + 1; i++) {
		struct long_text *text = bpf_ringbuf_reserve(&compile_ring, sizeof(*text), 0);
		int last = 0, send;
		long n;

		if (!text) {
			count_compile_loss(LOSS_COMPILED_RING);
			return;
		}
		n = copy_part(text->data, CHUNK, from, left, &last);
		if (n < 0) {
			count_compile_loss(LOSS_COMPILED_FAULT);
			bpf_ringbuf_discard(text, 0);
			return;
		}
		if (!i && last) {
			send = is_new(c, hash_text(text->data, n, CHUNK), n);
		} else {
			send = spend(c, n, !i);
			if (!send)
				count_compile_loss(LOSS_COMPILED_BUDGET);
		}
		if (!send) {
			bpf_ringbuf_discard(text, 0);
			return;
		}
		if (!last && i == MAX_TEXT / CHUNK) {
			c->flags |= COMPILED_CUT;
			last = 1;
		}
		text->head = *c;
		text->head.len = n;
		if (last)
			text->head.flags |= COMPILED_LAST;
		bpf_ringbuf_submit(text, 0);
		if (last)
			return;
		from += n;
		c->offset += n;
		if (left)
			left -= n;
	}
}

/* left is the length, or 0 for a text that ends with a NUL. */
static __always_inline void send_compiled(__u64 from, __u64 left, __u32 flags)
{
	struct compiled c;

	start_compiled(&c, flags);
	if (send_short(&c, from, left))
		send_long(&c, from, left);
}

/*
 * PyRun_StringFlags, PyRun_SimpleStringFlags, Py_CompileStringObject and
 * Py_CompileStringFlags: the text is the first argument, in UTF-8.
 */
SEC("uprobe")
int on_source(struct registers *ctx)
{
	send_compiled(ARGUMENT_1(ctx), 0, 0);
	return 0;
}

#endif
