/*
 * A program that loads libpython while it runs, as the loaders of bundled applications do. It runs
 * the file named in its first argument with the library named in its second.
 */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	void *python = argc > 2 ? dlopen(argv[2], RTLD_NOW | RTLD_GLOBAL) : NULL;
	void (*initialize)(void), (*finalize)(void);
	int (*run)(FILE *, const char *, int, void *), rc;
	FILE *f;

	if (!python) {
		fprintf(stderr, "%s\n", dlerror());
		return 2;
	}
	initialize = (void (*)(void))dlsym(python, "Py_Initialize");
	finalize = (void (*)(void))dlsym(python, "Py_Finalize");
	run = (int (*)(FILE *, const char *, int, void *))dlsym(python, "PyRun_SimpleFileExFlags");
	f = fopen(argv[1], "r");
	if (!initialize || !finalize || !run || !f)
		return 2;
	initialize();
	rc = run(f, argv[1], 1, NULL);
	finalize();
	return rc != 0;
}
