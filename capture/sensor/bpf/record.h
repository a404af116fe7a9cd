/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What travels from the kernel to user space, and what user space teaches the
 * kernel. The Go declarations are generated from these.
 *
 * A record is a struct record (or a struct exec_record, which ends an exec)
 * followed by len bytes of data. All numbers are in the machine's byte order.
 */
#ifndef KINGSNAKE_RECORD_H
#define KINGSNAKE_RECORD_H

/* The most bytes of data in one record. */
#define CHUNK 32768

/* The most bytes of one script, of an argument list, of an environment. */
#define MAX_TEXT (8 << 20)
#define MAX_ARGS (2 << 20)
#define MAX_ENV (64 << 10)

/* The most bytes read of one file by one process, re-reads included. */
#define MAX_READ (3 * MAX_TEXT)

/*
 * The most bytes copied of what a process reads while nobody has looked at its
 * binary: it takes user space a moment, and most are no interpreter.
 */
#define MAX_UNKNOWN (4 << 20)

#define MAX_PARENTS 8

enum record_kind {
	/* Exec ring: the pieces come first, the exec record ends them. */
	RECORD_EXE = 1, /* path of the binary */
	RECORD_CWD,
	RECORD_CGROUP,
	RECORD_ARGS,
	RECORD_ENV,
	RECORD_PARENT, /* a struct parent, then the path of its binary */
	RECORD_EXEC,   /* a struct exec_record */
	/* Data ring. */
	RECORD_PATH, /* path of a file that is read for the first time */
	RECORD_DATA,
	RECORD_EOF,  /* a read returned nothing */
	RECORD_HAVE, /* a file that user space has the bytes of was read */
	RECORD_EXIT, /* the process ended, or executed another binary */
};

enum record_flag {
	FLAG_ROOT = 1,       /* a path that reached the process's root */
	FLAG_CUT = 2,        /* a path that was longer than there was room for */
	FLAG_STREAM = 4,     /* offset counts bytes read, the file has none */
	FLAG_FIRST = 8,      /* first record of this file from this process */
	FLAG_WRITERS = 16,   /* the file is open for writing somewhere */
	FLAG_TRUNCATED = 32, /* bytes behind this record were left out: too many */
	FLAG_V2 = 64,        /* a cgroup path of the unified hierarchy */
};

/* Why something was lost; the index into the map losses. */
enum loss {
	LOSS_EXEC_RING, /* exec ring full */
	LOSS_DATA_RING, /* data ring full */
	LOSS_FAULT,     /* memory of the process could not be read */
	LOSS_BUDGET,    /* a file was read more often than is followed */
	LOSS_TASKS,     /* too many python processes at once */
	LOSS_READS,     /* too many reads at once */
	LOSS_UNKNOWN,   /* it read too much before its binary was looked at */
	/* Texts compiled at run time. */
	LOSS_COMPILED_RING,   /* their ring full */
	LOSS_COMPILED_BUDGET, /* a program compiled too much in a second */
	LOSS_COMPILED_FAULT,  /* the text could not be read */
	LOSS_MAX,
};

/* What a binary is, as user space found by looking at it. */
enum binary_class {
	BINARY_UNKNOWN,
	BINARY_PYTHON,
	BINARY_OTHER,
};

/* What is wanted of a program; without an entry, everything is. */
enum program_mode {
	MODE_ALL,     /* every file, and mention of ignored modules */
	MODE_SCRIPT,  /* every file that is not ignored */
	MODE_MODULES, /* only regular files named like Python modules */
	MODE_IGNORE,  /* nothing: it is not a python */
};

/* What is known of a file's content. */
enum file_state {
	FILE_NEW,
	FILE_HAVE,   /* user space has it: a mention is enough */
	FILE_IGNORE, /* a part of the interpreter: nothing is needed */
};

/*
 * One execution of one binary: the time it happened, in nanoseconds since
 * boot, and the process that did it. Forked children share it.
 */
struct program {
	__u64 exec;
	__u32 tgid;
	__u32 pad;
};

/* A file's content. ctime is in nanoseconds; dev in the kernel's own coding. */
struct file_key {
	__u64 ino;
	__s64 ctime;
	__u64 size;
	__u32 dev;
	__u32 pad;
};

struct record {
	enum record_kind kind;
	__u32 len; /* bytes of data that follow */
	struct program program;
	__u64 time; /* since boot, in nanoseconds */
	struct file_key file;
	__u64 magic;  /* of the file system */
	__u64 offset; /* of the data in the file, stream or argument list */
	__u32 tgid;
	__u32 mode; /* of the file: type and permissions */
	__u32 fd;
	enum record_flag flags;
	__u32 lost; /* what was lost of this process so far: 1 << enum loss */
	__u32 pad;
};

struct parent {
	__u64 start;
	__u32 tgid;
	__u32 index; /* 0 is the nearest */
	char comm[16];
};

struct exec_record {
	struct record head; /* head.file is the binary */
	__u64 start;        /* of the process, nanoseconds since boot */
	__u64 reaper;       /* start of the first process of its pid namespace */
	__u64 args_len;     /* whole length; the pieces may hold less */
	__u64 env_len;
	__u32 ppid;
	__u32 uid;
	__u32 gid;
	enum binary_class binary;
	__u32 pid_ns;
	__u32 mnt_ns;
	char comm[16];
};

#endif
