/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * When the reader of a ring is woken.
 *
 * A wake-up is what a record costs most: an interrupt, and often the processor,
 * which the reader takes from who wrote it. Left to itself, a ring wakes its
 * reader for each record that it has caught up with. So records are written
 * without a wake-up, and the reader says whether it wants one.
 *
 * Nothing is missed: the reader says that it sleeps before it looks a last time
 * whether there is a record, and here the record is committed, which is a full
 * barrier, before the state is looked at. One of both sees the other.
 */
#ifndef KINGSNAKE_WAKE_H
#define KINGSNAKE_WAKE_H

/* What the readers do now; they alone write it, into memory mapped by both. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, READERS);
	__type(key, enum reader);
	__type(value, enum reader_state);
} readers SEC(".maps");

/* Wakes the reader of a ring, if it wants that, for the record committed last. */
static __always_inline void wake_reader(void *ring, enum reader which)
{
	volatile enum reader_state *state = bpf_map_lookup_elem(&readers, &which);
	enum reader_state now = state ? *state : READER_AWAKE;
	void *nothing;

	if (now == READER_AWAKE)
		return;
	if (now == READER_LINGERS && bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) <
	                                 bpf_ringbuf_query(ring, BPF_RB_RING_SIZE) / 4)
		return;
	/* Only what is taken out of the ring again wakes and says nothing. */
	nothing = bpf_ringbuf_reserve(ring, 8, 0);
	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

#endif
