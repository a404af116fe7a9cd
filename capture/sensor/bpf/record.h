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

/*
 * The first bytes of every file go before the rest: when the data ring is nearly
 * full, a quarter of it is kept for them, so that long scripts do not push out
 * short ones.
 */
#define HEAD (64 << 10)

/* Of how many descriptors, from 0 on, an exec says what is open there. */
#define MAX_FDS 8

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
	RECORD_LOAD, /* marshal.load reads a file: what was read ahead of it */
	RECORD_EXIT, /* the process ended, or executed another binary */
	/* Exec ring, of a process that is followed; program is the root's. */
	RECORD_FORK,    /* offset is the child's number */
	RECORD_CONNECT, /* the address given to connect */
	RECORD_WRITE,   /* path of a file opened for writing */
	RECORD_HELD,    /* what the process is held for has been sent */
	/* Ring of what is done before a verdict, which also has the acts above. */
	RECORD_OMITTED, /* the process ended; offset is how many of its acts are missing */
};

enum record_flag {
	FLAG_ROOT = 1,       /* a path that reached the process's root */
	FLAG_CUT = 2,        /* a path that was longer than there was room for */
	FLAG_STREAM = 4,     /* offset counts bytes read, the file has none */
	FLAG_FIRST = 8,      /* first record of this file from this process */
	FLAG_WRITERS = 16,   /* the file is open for writing somewhere */
	FLAG_TRUNCATED = 32, /* bytes behind this record were left out: too many */
	FLAG_V2 = 64,        /* a cgroup path of the unified hierarchy */
	FLAG_SOUGHT = 256,   /* its compiled form was looked for: an import does that */
	FLAG_EARLY = 512,    /* an act before the verdict */
	FLAG_BEGINS = 1024,  /* a file that user space has was read from its beginning */
	FLAG_HELD = 128,     /* the process is held, since the time of this record */
	FLAG_LOADED = 4096,  /* what marshal.load reads */
	FLAG_UPPER = 2048,   /* a path in an overlay's upper layer: no part of the image */
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
	LOSS_LONG,      /* data ring nearly full: what is left is for short scripts */
	LOSS_UNSEEN,    /* of a whole process nothing fitted the rings */
	LOSS_FOLLOW,    /* a followed program did too much, or has too many processes */
	LOSS_HOLDS,     /* not held: too many are */
	LOSS_SIGNAL,    /* not held: the signal could not be sent */
	LOSS_UNHEARD,   /* let go at once: a ring was full */
	LOSS_JOBS,      /* not held: it runs at a terminal, or as a shell's job */
	LOSS_ABSENT,    /* not held: the sensor has not said for a while that it is there */
	LOSS_CEILING,   /* more bytes in a second than are sent */
	/* Texts compiled at run time. */
	LOSS_COMPILED_RING,   /* their ring full */
	LOSS_COMPILED_BUDGET, /* a program compiled too much in a second */
	LOSS_COMPILED_FAULT,  /* the text could not be read */
	LOSS_MAX,
};

/* Who reads the rings, and what it does now. */
enum reader {
	READER_EXEC,
	READER_DATA,
	READER_COMPILED,
	READERS,
};

enum reader_state {
	READER_AWAKE,   /* it will look again before it sleeps */
	READER_LINGERS, /* it will look in a moment, or when there is much to read */
	READER_SLEEPS,  /* it is to be woken for each record */
};

/* What a binary is, as user space found by looking at it. */
enum binary_class {
	BINARY_UNKNOWN,
	BINARY_PYTHON,
	BINARY_OTHER,
	BINARY_SHELL, /* a shell, or another program that runs what it reads */
};

/* What an execution may tell, whatever the binary is. */
enum sign {
	SIGN_UPPER = 1,  /* the binary lies in an overlay's upper layer */
	SIGN_MEMORY = 2, /* the binary lies in memory alone: a memfd */
	SIGN_SOCKET = 4, /* standard input is a connected socket */
};

/* What is wanted of a program; without an entry, everything is. */
enum program_mode {
	MODE_ALL,     /* every file, and mention of ignored modules */
	MODE_SCRIPT,  /* every file that is not ignored */
	MODE_MODULES, /* only regular files named like Python modules */
	MODE_AGAIN,   /* the script was sent, and may be read anew before it runs: every
	                 regular file, but only the first HEAD bytes of long reads of
	                 others than modules */
	MODE_IGNORE,  /* nothing: it is not a python */
};

/* What is known of a file's content. */
enum file_state {
	FILE_NEW,
	FILE_HAVE,    /* user space has it: a mention is enough */
	FILE_IGNORE,  /* a part of the interpreter: nothing is needed */
	FILE_LIBRARY, /* one that tells where its library lies: a mention is enough */
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
	__u32 tid;  /* of the thread, where marshal.load reads */
};

/* A file that is open when a binary is executed. */
struct open_file {
	__u64 ino;
	__u32 mode; /* 0: none */
	__u32 pad;
};

struct parent {
	__u64 start;
	__u32 tgid;
	__u32 index; /* 0 is the nearest */
	char comm[16];
};

/* Both ends of a connected socket. IPv4 takes the first four bytes. */
struct ends {
	__u8 peer[16];
	__u8 local[16];
	__u16 family; /* AF_INET or AF_INET6 */
	__u16 peer_port;
	__u16 local_port;
	__u16 pad;
};

struct exec_record {
	struct record head; /* head.file is the binary */
	__u64 start;        /* of the process, nanoseconds since boot */
	__u64 reaper;       /* start of the first process of its pid namespace */
	__u64 outer;        /* the same of the outermost but the machine's own, if any */
	__u64 args_len;     /* whole length; the pieces may hold less */
	__u64 env_len;
	__u32 ppid;
	__u32 uid;
	__u32 gid;
	enum binary_class binary;
	__u32 pid_ns;
	__u32 mnt_ns;
	char comm[16];
	struct open_file fds[MAX_FDS];
	struct program starter; /* followed, that this process was a part of before; zero: none */
	struct program root;    /* that the process is followed for; zero: it is not */
	struct ends ends;       /* of the standard input's socket */
	enum sign signs;
	__u32 pad;
};

/* Whether the programs of a cgroup are held until they are judged. */
enum hold_policy {
	HOLD_ASK, /* nobody has said: they are, and user space is to say */
	HOLD_KEEP,
	HOLD_LEAVE,
};

struct hold_switch {
	__u32 on;
	__u32 strangers; /* hold in containers that nothing is known of */
	__u32 host;      /* hold outside of containers too */
	__u32 jobs;      /* hold what runs at terminals too */
	__u64 until;     /* since boot, in nanoseconds: by then the sensor says that it is there */
};

/* One hold of one process. since is the time of its record. */
struct hold_key {
	__u64 since;
	__u32 tgid;
	__u32 pad;
};

struct hold {
	__u64 start; /* of the process, nanoseconds since boot */
	__u64 cgroup;
	__u32 stopped;   /* the signal with which somebody else stopped it as well; 0: nobody did */
	__u32 continued; /* somebody let it go on, or it was seen to run */
};

/*
 * The parent of a process that is held. Some that wait for a child stop
 * themselves when it stops (su, runuser, nsenter, sudo), and nobody would have
 * them go on.
 */
struct hold_parent {
	__u64 start;
	struct hold_key child;
	__u32 stopped; /* it sent itself a signal that stops it */
	__u32 pad;
};

/*
 * Which file is a program's own script: one with this number, or whose name
 * begins like one of the names. The second half is the kernel's own.
 */
#define TARGET_NAME 4 /* words of 8 bytes */
#define TARGET_NAMES 2

struct hold_name {
	__u64 text[TARGET_NAME];
	__u64 mask[TARGET_NAME]; /* of the bytes that count; none: no name */
};

struct hold_target {
	__u64 ino;    /* 0: not known */
	__u32 fd;     /* one more than the descriptor it is read from; 0: any */
	__u32 judged; /* it was held for: this is about what is read to run it */
	struct hold_name names[TARGET_NAMES];
	__u64 seen;    /* the file that was last read of those, */
	__s64 changed; /* and its ctime then */
	__s64 ctime;   /* of it when it was held for */
	__u64 head;    /* it was read from its beginning to here, */
	__u64 tail;    /* and from here to its end */
};

#endif
