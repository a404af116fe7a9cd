/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What marshal.load is given to read from.
 *
 * A file may have any name, so what is read of it is followed from then on, in
 * the thread that loads: user space gets what its object has read ahead, and then
 * the reads. What lies in memory alone is sent like what marshal.loads is given.
 */
#ifndef KINGSNAKE_LOAD_H
#define KINGSNAKE_LOAD_H

/* Parts of CPython's objects, beside those in marshal.h. */
#define TYPE_DICT_OFFSET 288
#define DICT_USED 16
#define DICT_KEYS 32
#define KEYS_FIRST 40 /* the first key of a small table that has no hashes */
#define KEYS_FIRST_V3_10 56
#define TEXT_DATA 40 /* of a str in ASCII */
#define TEXT_DATA_V3_11 48
#define BYTESIO_BYTES 16
#define BYTESIO_AT 24
#define BYTESIO_SIZE 32
#define READER_RAW 16
#define READER_BUFFER 56
#define READER_AT 64
#define READER_END 80
#define FILEIO_FD 16
#define AHEAD 8192 /* bytes that a reader reads ahead, up to 3.13 */
/* Of 2.7: its file has a FILE of the C library, here that of glibc. */
#define FILE_STREAM 16
#define STREAM_AT 8
#define STREAM_END 16
#define STREAM_FD 112

#define NAME_BYTESIO NAME('_', 'i', 'o', '.', 'B', 'y', 't')
#define NAME_BUFFERED NAME('_', 'i', 'o', '.', 'B', 'u', 'f')
#define NAME_FILEIO NAME('_', 'i', 'o', '.', 'F', 'i', 'l')
#define NAME_FILE NAME('f', 'i', 'l', 'e', 0, 0, 0)

/* What an object reads from: a file, and before it what was read ahead. */
struct source {
	struct memory ahead;
	__u32 fd;
	enum {
		SOURCE_UNKNOWN,
		SOURCE_FILE,
		SOURCE_MEMORY
	} kind;
};

static __always_inline int is_name(__u64 text)
{
	const __u32 name = 'n' | 'a' << 8 | 'm' << 16 | 'e' << 24;

	return word_of_process(text + OBJECT_SIZE) == sizeof(name) &&
	       ((__u32)word_of_process(text + TEXT_DATA) == name ||
	        (__u32)word_of_process(text + TEXT_DATA_V3_11) == name);
}

/* Whether the first key of a dictionary is "name": where it lies says the version. */
static __always_inline int has_name(__u64 dict)
{
	__u64 keys = word_of_process(dict + DICT_KEYS);

	return is_name(word_of_process(keys + KEYS_FIRST)) ||
	       is_name(word_of_process(keys + KEYS_FIRST_V3_10));
}

/*
 * The name of an object's type, if it does what its type does; 0 if the type is a
 * program's own, or the object has methods of its own. Of attributes a FileIO has
 * its name alone.
 */
static __always_inline __u64 plain_name(__u64 object)
{
	__u64 type = word_of_process(object + OBJECT_TYPE), name = 0;
	__u64 flags = word_of_process(type + TYPE_FLAGS);
	__u64 dict = word_of_process(type + TYPE_DICT_OFFSET), used;

	if (flags & TYPE_HEAP && !(flags & TYPE_IMMUTABLE))
		return 0;
	bpf_probe_read_user_str(&name, sizeof(name),
	                        (const void *)word_of_process(type + TYPE_NAME));
	if (dict)
		dict = word_of_process(object + dict);
	used = dict ? word_of_process(dict + DICT_USED) : 0;
	if (used && !(used == 1 && name == NAME_FILEIO && has_name(dict)))
		return 0;
	return name;
}

static __always_inline void find_raw(struct source *s, __u64 raw)
{
	if (plain_name(raw) != NAME_FILEIO)
		return;
	s->fd = word_of_process(raw + FILEIO_FD);
	s->kind = SOURCE_FILE;
}

/* What a place in memory has from at to end, as offsets. */
static __always_inline void find_ahead(struct source *s, __u64 base, __s64 at, __s64 end)
{
	if (at >= 0 && end > at) {
		s->ahead.from = base + at;
		s->ahead.len = end - at;
	}
}

static __always_inline void find_source(struct source *s, __u64 object)
{
	__u64 stream;

	switch (plain_name(object)) {
	case NAME_BYTESIO:
		find_ahead(s, word_of_process(object + BYTESIO_BYTES) + BYTES_DATA,
		           word_of_process(object + BYTESIO_AT),
		           word_of_process(object + BYTESIO_SIZE));
		s->kind = SOURCE_MEMORY;
		break;
	case NAME_BUFFERED:
		find_ahead(s, word_of_process(object + READER_BUFFER),
		           word_of_process(object + READER_AT),
		           word_of_process(object + READER_END));
		find_raw(s, word_of_process(object + READER_RAW));
		break;
	case NAME_FILEIO:
		s->fd = word_of_process(object + FILEIO_FD);
		s->kind = SOURCE_FILE;
		break;
	case NAME_FILE:
		stream = word_of_process(object + FILE_STREAM);
		find_ahead(s, 0, word_of_process(stream + STREAM_AT),
		           word_of_process(stream + STREAM_END));
		s->fd = word_of_process(stream + STREAM_FD);
		s->kind = SOURCE_FILE;
		break;
	}
}

/*
 * Sends at most room bytes, for which it takes the whole room in the ring, of what a
 * load has read ahead. A program may load the same again and again: that leaves
 * room for the scripts of others. Returns whether there is more.
 */
static __always_inline int send_part(struct load *load, const __u32 room)
{
	__u64 len = load->left < room ? load->left : room;
	struct record *r = 0;

	if (leaves_room(sizeof(*r) + room))
		r = bpf_ringbuf_reserve(&data_ring, sizeof(*r) + room, 0);
	if (!r) {
		count_compile_loss(LOSS_LONG);
		return -1;
	}
	len = bounded(len);
	*r = load->head;
	if (len > room ||
	    (room && bpf_probe_read_user((__u8 *)(r + 1), len, (const void *)load->from))) {
		bpf_ringbuf_discard(r, BPF_RB_NO_WAKEUP);
		count_compile_loss(LOSS_FAULT);
		return -1;
	}
	r->len = len;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	count_sent(1);
	load->head.offset += len;
	load->from += len;
	load->left -= len;
	return load->left > 0;
}

/* Sends the next record of what the thread's load has read ahead. Returns whether there is more. */
__noinline int send_ahead(void)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct load *load = bpf_map_lookup_elem(&loads, &id);

	if (!load)
		return 0;
	if (!load->left)
		return send_part(load, 0);
	return load->left <= AHEAD ? send_part(load, AHEAD) : send_part(load, CHUNK);
}

enum load_result {
	LOAD_UNKNOWN,
	LOAD_KNOWN, /* no code, or that of the library */
	LOAD_AHEAD, /* all was read ahead */
	LOAD_FOLLOWED,
};

/*
 * Begins to follow what the thread reads of a file, of which left bytes lie at from
 * already. The file's position is behind them.
 */
__noinline int begin_load(__u32 fd, __u64 from, __u64 left)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tgid = id >> 32;
	struct task *t = bpf_map_lookup_elem(&tasks, &tgid);
	struct file *file = file_of(fd);
	struct load load = {.from = from, .left = left};
	struct inode *inode;

	if (!file)
		return LOAD_UNKNOWN;
	inode = BPF_CORE_READ(file, f_inode);
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFREG)
		return LOAD_UNKNOWN;
	fill_key(&load.head.file, inode);
	/* Shared objects are left out too, and may have anything behind them. */
	if (is_module(file) && state_of(inode, &load.head.file) >= FILE_IGNORE)
		return LOAD_KNOWN;
	/* Negative if the position was set back since. */
	load.begins = BPF_CORE_READ(file, f_pos) - left;
	if (left && load.begins + left >= load.head.file.size)
		return LOAD_AHEAD;
	if (!t)
		return LOAD_UNKNOWN;
	if (left && !is_code(from))
		return LOAD_KNOWN;
	load.head.kind = RECORD_LOAD;
	load.head.program = t->program;
	load.head.time = bpf_ktime_get_boot_ns();
	load.head.offset = load.begins;
	load.head.tgid = tgid;
	load.head.tid = id;
	load.head.flags = FLAG_BEGINS;
	t->foreign = 1;
	t->loads = 1;
	any_loads = 1;
	return bpf_map_update_elem(&loads, &id, &load, BPF_ANY) ? LOAD_UNKNOWN : LOAD_FOLLOWED;
}

/* Whether the program may load so often, and left bytes now. */
__noinline int may_load(__u64 left)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct compiled c;

	start_compiled(&c, 0);
	if (spend(&c, left, 1))
		return 1;
	leave_out();
	bpf_map_delete_elem(&loads, &id);
	return 0;
}

/* Sends where the thread's load begins, with all that was read ahead. */
__noinline int send_load(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct task *t = bpf_map_lookup_elem(&tasks, &tgid);
	int i, more = 0;

#pragma clang loop unroll(disable)
	for (i = 0; i < MAX_TEXT / CHUNK; i++) {
		more = send_ahead();
		if (more <= 0)
			break;
	}
	if (t && more < 0)
		t->lost |= 1 << LOSS_LONG;
	wake_reader(&data_ring, READER_DATA);
	return 0;
}

static __always_inline void load_from(__u64 object)
{
	struct source s = {};
	int result = LOAD_UNKNOWN;

	find_source(&s, object);
	if (s.kind == SOURCE_MEMORY)
		result = LOAD_AHEAD;
	else if (s.kind == SOURCE_FILE)
		result = begin_load(s.fd, s.ahead.from, s.ahead.len);
	if (result == LOAD_UNKNOWN)
		tell_unread(COMPILED_FILE);
	else if (result == LOAD_FOLLOWED && may_load(s.ahead.len))
		send_load();
	else if (result == LOAD_AHEAD && s.ahead.len && is_code(s.ahead.from))
		send_compiled(s.ahead.from, s.ahead.len, COMPILED_MARSHAL);
}

/* marshal.load up to 3.12, with its one argument. */
SEC("uprobe")
int on_load(struct registers *ctx)
{
	load_from(ARGUMENT_2(ctx));
	return 0;
}

/* marshal.load since 3.13, with an array of arguments. */
SEC("uprobe")
int on_load_array(struct registers *ctx)
{
	load_from(word_of_process(ARGUMENT_2(ctx)));
	return 0;
}

#endif
