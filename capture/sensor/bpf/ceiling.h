/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * How many bytes are sent in a second: of the machine, and of each cgroup as
 * its share of them. What is over is not copied, which is what it would cost.
 *
 * A cgroup may take SHARE times what nobody has taken yet. One that reads
 * without end gets four fifths, two get four ninths each, and there is always
 * room for one that was quiet so far. The beginning of a file, which is all of
 * most scripts, need not keep to the share. Arguments of less than CHUNK bytes
 * are not counted: without them, what is read means nothing.
 */
#define SHARE 4

struct taken {
	__u64 second;
	__u64 bytes;
};

/* Written by user space before the programs are loaded; 0: no ceiling. */
const volatile __u64 bytes_per_second = 0;

struct taken taken_by_all;

/* By the address of the cgroup that tells where a process runs. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct taken);
} taken_by SEC(".maps");

/* Begins a new second if it is one. Two processors may both do: some bytes are
 * then not counted. */
static __always_inline void new_second(struct taken *t, __u64 second)
{
	if (t->second != second) {
		t->second = second;
		t->bytes = 0;
	}
}

/* Whether len more bytes, that begin a file or do not, may be sent; takes them. */
static __always_inline int may_take(__u64 len, int begins)
{
	__u64 second = bpf_ktime_get_boot_ns() >> 30; /* nearly */
	__u64 cgroup, all;
	struct taken *own;
	int v2;

	if (!bytes_per_second || !len)
		return 1;
	new_second(&taken_by_all, second);
	all = taken_by_all.bytes;
	if (all + len > bytes_per_second)
		return 0;
	cgroup = (__u64)cgroup_of((struct task_struct *)bpf_get_current_task(), &v2);
	own = bpf_map_lookup_elem(&taken_by, &cgroup);
	if (!own) {
		struct taken none = {.second = second};

		bpf_map_update_elem(&taken_by, &cgroup, &none, BPF_ANY);
		own = bpf_map_lookup_elem(&taken_by, &cgroup);
		if (!own)
			return 0;
	}
	new_second(own, second);
	if (!begins && own->bytes + len > SHARE * (bytes_per_second - all))
		return 0;
	__sync_fetch_and_add(&taken_by_all.bytes, len);
	__sync_fetch_and_add(&own->bytes, len);
	return 1;
}
