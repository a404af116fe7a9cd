/* A program that is linked with libpython and runs the file named in its first argument. */
#include <Python.h>

int main(int argc, char **argv)
{
	FILE *f = argc > 1 ? fopen(argv[1], "r") : NULL;
	int rc;

	if (!f)
		return 2;
	Py_Initialize();
	rc = PyRun_SimpleFileExFlags(f, argv[1], 1, NULL);
	Py_Finalize();
	return rc != 0;
}
