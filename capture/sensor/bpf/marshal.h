/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What marshal.loads is given, in whatever object.
 *
 * The importer hands it a view of each compiled file. Those of the interpreter's
 * own library are left out, and two things tell them: the process has neither
 * read nor been given anything else so far, so nobody else's code has run in it;
 * or the view's content is that of a file of the library, by a keyed hash. What
 * is read of a .pyc file elsewhere comes twice, and user space drops one.
 */
#ifndef KINGSNAKE_MARSHAL_H
#define KINGSNAKE_MARSHAL_H

/* Code of an interpreter's library; hash is keyed. */
struct code_key {
	__u64 hash;
	__u64 len;
};

/* Written by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct code_key);
	__type(value, __u32);
} library_code SEC(".maps");

/*
 * Where CPython's objects have their parts, from version 2.7 to 3.14, in 64-bit
 * builds with a GIL.
 */
#define OBJECT_TYPE 8
#define OBJECT_SIZE 16
#define TUPLE_ITEMS 24
#define TYPE_NAME 24
#define TYPE_FLAGS 168
#define TYPE_BASE 256
#define BYTES_DATA 32
#define BYTES_DATA_V2 36
#define BYTEARRAY_DATA 40
#define VIEW_DATA 56
#define VIEW_SIZE 72
#define ARRAY_DATA 24
#define ARRAY_KIND 40
#define ARRAY_KIND_V2 32
#define KIND_ITEM_SIZE 4
#define MMAP_DATA 16
#define MMAP_SIZE 24
#define CTYPES_DATA 16
#define CTYPES_SIZE 40
#define PICKLE_DATA 16
#define PICKLE_SIZE 32
#define BUFFER_BASE 16 /* 2.7 alone has it */
#define BUFFER_SIZE 32
#define BUFFER_OFFSET 40

/* Flags of types, from CPython's object.h. */
#define TYPE_IMMUTABLE (1 << 8) /* since 3.10; 2.7 has another meaning for it */
#define TYPE_HEAP (1 << 9)
#define TYPE_BYTES (1 << 27)

/* The first seven letters of a type's name, as a number. */
#define NAME(a, b, c, d, e, f, g)                                                                  \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 |   \
	 (__u64)(f) << 40 | (__u64)(g) << 48)
#define NAME_BYTEARRAY NAME('b', 'y', 't', 'e', 'a', 'r', 'r')
#define NAME_VIEW NAME('m', 'e', 'm', 'o', 'r', 'y', 'v')
#define NAME_ARRAY NAME('a', 'r', 'r', 'a', 'y', '.', 'a')
#define NAME_MMAP NAME('m', 'm', 'a', 'p', '.', 'm', 'm')
#define NAME_CTYPES NAME('_', 'c', 't', 'y', 'p', 'e', 's')
#define NAME_PICKLE NAME('p', 'i', 'c', 'k', 'l', 'e', '.')
#define NAME_BUFFER NAME('b', 'u', 'f', 'f', 'e', 'r', 0)

#define MAX_BASES 8

struct memory {
	__u64 from;
	__u64 len;
};

static __always_inline __u64 word_of_process(__u64 address)
{
	__u64 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (const void *)address);
	return word;
}

/* Whether what marshal wrote lies there, and is code. */
static __always_inline int is_code(__u64 address)
{
	__u8 type = 0;

	bpf_probe_read_user(&type, sizeof(type), (const void *)address);
	return (type & 0x7f) == 'c';
}

/*
 * The name of a type, or of the nearest one that it is derived from and that no
 * program can have made up: a class may have any name. 0 if that is not near.
 */
static __always_inline __u64 name_of_type(__u64 type, int may_be_v2)
{
	__u64 name = 0;
	int i;

#pragma clang loop unroll(disable)
	for (i = 0; i < MAX_BASES; i++) {
		__u64 flags = word_of_process(type + TYPE_FLAGS);

		if (!(flags & TYPE_HEAP) || (!may_be_v2 && flags & TYPE_IMMUTABLE))
			break;
		type = word_of_process(type + TYPE_BASE);
	}
	if (i == MAX_BASES)
		return 0;
	/* A short name may end where nothing can be read. */
	bpf_probe_read_user_str(&name, sizeof(name),
	                        (const void *)word_of_process(type + TYPE_NAME));
	return name;
}

static __always_inline struct memory array_memory(__u64 array, int may_be_v2)
{
	__u64 kind = word_of_process(array + ARRAY_KIND);
	struct memory m = {word_of_process(array + ARRAY_DATA),
	                   word_of_process(array + OBJECT_SIZE)};
	__u64 size = word_of_process(kind) >> 8 * KIND_ITEM_SIZE;

	if (may_be_v2 && !(size && size <= 8))
		size =
		    word_of_process(word_of_process(array + ARRAY_KIND_V2)) >> 8 * KIND_ITEM_SIZE;
	m.len *= size;
	return m;
}

/* The part of a str that a buffer of 2.7 stands for. */
static __always_inline struct memory buffer_memory(__u64 buffer)
{
	__u64 base = word_of_process(buffer + BUFFER_BASE);
	__u64 offset = word_of_process(buffer + BUFFER_OFFSET);
	__u64 type = word_of_process(base + OBJECT_TYPE);
	struct memory m = {base + BYTES_DATA_V2 + offset, word_of_process(buffer + BUFFER_SIZE)};

	if (!(word_of_process(type + TYPE_FLAGS) & TYPE_BYTES))
		m.from = 0;
	if ((__s64)m.len < 0)
		m.len = word_of_process(base + OBJECT_SIZE) - offset;
	return m;
}

/* The memory that an object says it has, at these places in it. */
static __always_inline struct memory memory_at(__u64 object, __u32 data, __u32 size)
{
	struct memory m = {word_of_process(object + data), word_of_process(object + size)};

	return m;
}

/*
 * Where an object has its memory, by the name of its type; from is 0 if that is
 * not known.
 */
static __always_inline struct memory memory_of(__u64 object, __u64 name, int may_be_v2)
{
	struct memory none = {};

	switch (name) {
	case NAME_VIEW:
		return memory_at(object, VIEW_DATA, VIEW_SIZE);
	case NAME_BYTEARRAY:
		return memory_at(object, BYTEARRAY_DATA, OBJECT_SIZE);
	case NAME_MMAP:
		return memory_at(object, MMAP_DATA, MMAP_SIZE);
	case NAME_CTYPES:
		return memory_at(object, CTYPES_DATA, CTYPES_SIZE);
	case NAME_PICKLE:
		return memory_at(object, PICKLE_DATA, PICKLE_SIZE);
	case NAME_ARRAY:
		return array_memory(object, may_be_v2);
	case NAME_BUFFER:
		return may_be_v2 ? buffer_memory(object) : none;
	}
	return none;
}

/* Whether a view holds code of an interpreter's library. */
static __always_inline int is_library_code(struct memory m)
{
	struct code_key key = {hash_memory(m.from, m.len), m.len};

	return key.hash && bpf_map_lookup_elem(&library_code, &key);
}

/* Says once a program that code is made of which the text is not seen: why is in flags. */
static __always_inline void tell_unread(__u32 flags)
{
	struct compiled c, *told;

	start_compiled(&c, flags | COMPILED_LAST);
	if (!is_new(&c, flags, 0))
		return;
	told = bpf_ringbuf_reserve(&compile_ring, sizeof(*told), 0);
	if (!told) {
		count_compile_loss(LOSS_COMPILED_RING);
		return;
	}
	*told = c;
	bpf_ringbuf_submit(told, BPF_RB_NO_WAKEUP);
	wake_reader(&compile_ring, READER_COMPILED);
}

/* Sends what marshal.loads was given in an object other than bytes. */
static __always_inline void send_memory_of(__u64 object, __u64 type, int may_be_v2)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct task *t = bpf_map_lookup_elem(&tasks, &tgid);
	struct memory m;
	__u64 name;

	if (t && !t->foreign) {
		t->imports = 1;
		return;
	}
	name = name_of_type(type, may_be_v2);
	/* Of one that was there before the sensor, what it reads is not seen. */
	if (!t && name == NAME_VIEW)
		return;
	m = memory_of(object, name, may_be_v2);
	if (!m.from)
		tell_unread(COMPILED_OBJECT);
	else if (m.len && !(m.len >> 48) && is_code(m.from) &&
	         !(name == NAME_VIEW && is_library_code(m)))
		send_compiled(m.from, m.len, COMPILED_MARSHAL);
}

/* marshal.loads was given an object. */
static __always_inline void send_loaded(__u64 object, int may_be_v2)
{
	__u64 type = word_of_process(object + OBJECT_TYPE), from = object + BYTES_DATA, len;

	if (!(word_of_process(type + TYPE_FLAGS) & TYPE_BYTES)) {
		send_memory_of(object, type, may_be_v2);
		return;
	}
	len = word_of_process(object + OBJECT_SIZE);
	if (may_be_v2 && !is_code(from))
		from = object + BYTES_DATA_V2;
	if (len && !(len >> 48) && is_code(from))
		send_compiled(from, len, COMPILED_MARSHAL);
}

/* marshal.loads from 3.7 to 3.12, with its one argument. */
SEC("uprobe")
int on_marshal(struct registers *ctx)
{
	send_loaded(ARGUMENT_2(ctx), 0);
	return 0;
}

/* marshal.loads since 3.13, with an array of arguments. */
SEC("uprobe")
int on_marshal_array(struct registers *ctx)
{
	send_loaded(word_of_process(ARGUMENT_2(ctx)), 0);
	return 0;
}

/* marshal.loads up to 3.6, with a tuple. */
SEC("uprobe")
int on_marshal_tuple(struct registers *ctx)
{
	send_loaded(word_of_process(ARGUMENT_2(ctx) + TUPLE_ITEMS), 1);
	return 0;
}

#endif
