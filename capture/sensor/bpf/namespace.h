/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * In which pid namespaces a process runs, and since when they are there.
 *
 * A process may have itself started anew in a pid namespace that it makes, at
 * any time. What its container had before is told by the outermost one.
 */
#ifndef KINGSNAKE_NAMESPACE_H
#define KINGSNAKE_NAMESPACE_H

/* A pid namespace of a process, counted from the machine's own, which is 0. */
static __always_inline struct pid_namespace *pid_namespace_of(struct pid *pid, __u32 level)
{
	struct pid_namespace *ns = 0;

	bpf_probe_read_kernel(&ns, sizeof(ns),
	                      (void *)__builtin_preserve_access_index(&pid->numbers[0].ns) +
	                          level * bpf_core_type_size(struct upid));
	return ns;
}

static __always_inline void fill_namespaces(struct exec_record *e, struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	struct pid_namespace *ns = pid_namespace_of(pid, level);

	e->mnt_ns = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	e->pid_ns = BPF_CORE_READ(ns, ns.inum);
	e->reaper = BPF_CORE_READ(ns, child_reaper, start_boottime);
	e->outer = e->reaper;
	if (level > 1)
		e->outer = BPF_CORE_READ(pid_namespace_of(pid, 1), child_reaper, start_boottime);
}

#endif
