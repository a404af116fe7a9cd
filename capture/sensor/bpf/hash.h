/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * How a text is known again. Whoever does not know the keys, which each sensor
 * draws anew, cannot make a text that passes for another one: how the halves of
 * a word are multiplied depends on them, so that no two changes are known to
 * cancel each other. hash.go does the same.
 */
#ifndef KINGSNAKE_HASH_H
#define KINGSNAKE_HASH_H

#define BLOCK 64

const volatile __u64 hash_seed = 1;
const volatile __u64 hash_factor = 0x9e3779b97f4a7c15;
const volatile __u64 hash_mask = 0xc2b2ae3d27d4eb4f;

/* Takes one block of a text into its hash. */
static __always_inline __u64 hash_block(__u64 h, const __u64 *words)
{
	__u64 factor = hash_factor, mask = hash_mask;
	int i;

#pragma unroll
	for (i = 0; i < BLOCK / 8; i++) {
		__u64 low = (__u32)(words[i] + mask);
		__u64 high = (__u32)((words[i] >> 32) + (mask >> 32));

		h = (h ^ low * high) * factor;
		h ^= h >> 29;
	}
	return h;
}

/*
 * Takes at most CHUNK bytes of the process's memory into a hash; all of them if
 * len is not a multiple of BLOCK. Returns 0 when they cannot be read. This and
 * the next one are verified once and by themselves, but share 512 bytes of stack
 * with who calls them.
 */
__noinline __u64 hash_chunk(__u64 from, __u64 len, __u64 h)
{
	__u64 words[BLOCK / 8] = {}, blocks = len / BLOCK, rest = bounded(len) & (BLOCK - 1);
	int i;

#pragma clang loop unroll(disable)
	for (i = 0; i < CHUNK / BLOCK; i++) {
		if (i >= blocks)
			break;
		if (bpf_probe_read_user(words, BLOCK, (const void *)from))
			return 0;
		h = hash_block(h, words);
		from += BLOCK;
	}
	if (!rest)
		return h;
	__builtin_memset(words, 0, sizeof(words));
	if (bpf_probe_read_user(words, rest, (const void *)from))
		return 0;
	return hash_block(h, words);
}

/* Hashes a text in the process's memory; 0 when it is too long or cannot be read. */
__noinline __u64 hash_memory(__u64 from, __u64 len)
{
	__u64 h = hash_seed ^ len, chunks = len / CHUNK;
	int i;

	if (len > MAX_TEXT)
		return 0;
#pragma clang loop unroll(disable)
	for (i = 0; i < MAX_TEXT / CHUNK; i++) {
		if (i >= chunks || !h)
			break;
		h = hash_chunk(from, CHUNK, h);
		from += CHUNK;
	}
	return h ? hash_chunk(from, len & (CHUNK - 1), h) : 0;
}

#endif
