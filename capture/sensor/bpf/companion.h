/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What an execution may tell although no script is read: a binary that came in
 * at run time, one that lies in memory alone, and a shell at the end of a
 * connection. Only what is sent anyway is looked at closely; a known shell
 * costs the look at its standard input, every other known binary nothing.
 */
#ifndef KINGSNAKE_COMPANION_H
#define KINGSNAKE_COMPANION_H

#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "record.h"

/* From magic.h and socket.h (uapi), and tcp_states.h. */
#define OVERLAYFS_MAGIC 0x794c7630
#define AF_INET 2
#define AF_INET6 10
#define TCP_ESTABLISHED 1 /* a connected UDP socket is in this state too */
#define TCP_CLOSE_WAIT 8

/*
 * Whether a file of an overlay lies in its upper layer. The overlay keeps the
 * dentry there right behind its inode (struct ovl_inode), in every kernel from
 * 4.19 on; the type itself is not in the kernel's own BTF.
 */
static __always_inline int in_upper_layer(struct inode *inode)
{
	__u64 upper = 0;

	if (BPF_CORE_READ(inode, i_sb, s_magic) != OVERLAYFS_MAGIC)
		return 0;
	bpf_probe_read_kernel(&upper, sizeof(upper),
	                      (void *)inode + bpf_core_type_size(struct inode));
	return upper != 0;
}

/* The file behind a descriptor of the current process. */
static __always_inline struct file *file_of(__u32 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = 0;

	if (fd < BPF_CORE_READ(table, max_fds))
		bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
	return file;
}

/* The socket that is the current process's standard input, if it is connected over IP. */
static __always_inline struct sock *stdin_socket(void)
{
	struct file *file = file_of(0);
	struct inode *inode = file ? BPF_CORE_READ(file, f_inode) : 0;
	struct socket *socket;
	struct sock *sk;
	__u16 family;
	__u8 state;

	if (!inode || (BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	if (!sk)
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if ((family != AF_INET && family != AF_INET6) ||
	    (state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT))
		return 0;
	return sk;
}

/* Writes down both ends of a connected socket. */
static __always_inline void fill_ends(struct ends *e, struct sock *sk)
{
	__u16 port = BPF_CORE_READ(sk, __sk_common.skc_dport);

	e->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	e->peer_port = __builtin_bswap16(port);
	e->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	if (e->family == AF_INET) {
		bpf_probe_read_kernel(e->peer, 4,
		                      __builtin_preserve_access_index(&sk->__sk_common.skc_daddr));
		bpf_probe_read_kernel(
		    e->local, 4, __builtin_preserve_access_index(&sk->__sk_common.skc_rcv_saddr));
		return;
	}
	if (!bpf_core_field_exists(sk->__sk_common.skc_v6_daddr))
		return;
	bpf_probe_read_kernel(e->peer, 16,
	                      __builtin_preserve_access_index(&sk->__sk_common.skc_v6_daddr));
	bpf_probe_read_kernel(e->local, 16,
	                      __builtin_preserve_access_index(&sk->__sk_common.skc_v6_rcv_saddr));
}

/* Adds to an exec's record what may be worth telling of it. */
static __always_inline void fill_companion(struct exec_record *e, struct file *exe,
                                           const struct program *starter)
{
	struct dentry *dentry = BPF_CORE_READ(exe, f_path.dentry);
	struct inode *inode = BPF_CORE_READ(exe, f_inode);
	struct sock *sk = stdin_socket();

	e->starter = *starter;
	if (in_upper_layer(inode))
		e->signs |= SIGN_UPPER;
	/* A file of its own that has no name anywhere: a memfd. */
	if (!BPF_CORE_READ(inode, i_nlink) && BPF_CORE_READ(dentry, d_parent) == dentry)
		e->signs |= SIGN_MEMORY;
	if (sk) {
		e->signs |= SIGN_SOCKET;
		fill_ends(&e->ends, sk);
	}
}

#endif
