/*
 * A program that runs the scripts in an archive behind itself, as PyInstaller's loader does: it
 * reads them by its own means, and hands their compiled form to the library named in its first
 * argument. With a second argument it executes itself once more in a child first, as one that
 * unpacks itself into a folder does.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define COOKIE 88
#define ENTRY 18

static void *python;

static void *name(const char *symbol)
{
	void *f = dlsym(python, symbol);

	if (!f) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	return f;
}

static long number(const unsigned char *b)
{
	return (long)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
}

static unsigned char *bytes(FILE *f, long at, long len)
{
	unsigned char *b = malloc(len);

	if (!b || fseek(f, at, SEEK_SET) || fread(b, 1, len, f) != (size_t)len)
		exit(3);
	return b;
}

static int run(const unsigned char *code, long len)
{
	void *(*read)(const char *, long) = (void *(*)(const char *, long))name("PyMarshal_ReadObjectFromString");
	void *(*module)(const char *) = (void *(*)(const char *))name("PyImport_AddModule");
	void *(*dict)(void *) = (void *(*)(void *))name("PyModule_GetDict");
	void *(*eval)(void *, void *, void *) = (void *(*)(void *, void *, void *))name("PyEval_EvalCode");
	void *main_dict = dict(module("__main__")), *object = read((const char *)code, len);

	return object && eval(object, main_dict, main_dict);
}

int main(int argc, char **argv)
{
	unsigned char *cookie, *table;
	long end, start, len, at;
	FILE *f;

	if (argc > 2 && !getenv("_MEIPASS2")) {
		int status = 1;
		pid_t child;

		setenv("_MEIPASS2", "/", 1);
		child = fork();
		if (!child) {
			execv(argv[0], argv);
			_exit(1);
		}
		waitpid(child, &status, 0);
		return status != 0;
	}
	usleep(100000); /* what a real one takes at least, to load its modules */
	python = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : NULL;
	f = fopen(argv[0], "r");
	if (!python || !f || fseek(f, -COOKIE, SEEK_END))
		return 2;
	end = ftell(f);
	cookie = bytes(f, end, COOKIE);
	start = end + COOKIE - number(cookie + 8);
	len = number(cookie + 16);
	table = bytes(f, start + number(cookie + 12), len);
	((void (*)(void))name("Py_Initialize"))();
	for (at = 0; at + ENTRY < len; at += number(table + at)) {
		long size = number(table + at + 8);

		if (table[at + 17] == 's' && !run(bytes(f, start + number(table + at + 4), size), size)) {
			((void (*)(void))name("PyErr_Print"))();
			return 1;
		}
	}
	((void (*)(void))name("Py_Finalize"))();
	return 0;
}
