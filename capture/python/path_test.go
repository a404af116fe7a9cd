package python

import "testing"

func TestTheInterpretersOwnLibraryIsTold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		exe, path string
		want      bool
	}{
		{"/usr/bin/python3.11", "/usr/lib/python3.11/os.py", true},
		{"/usr/bin/python3.11", "/usr/lib/python3/dist-packages/apt/__init__.py", true},
		{"/usr/bin/python3.11", "/usr/local/lib/python3.11/dist-packages/x.py", true},
		{"/usr/bin/python3.11", "/usr/lib64/python3.11/os.py", true},
		{"/usr/local/bin/python3.13t", "/usr/local/lib/python3.13t/os.py", true},
		{"/opt/conda/bin/python3.12", "/opt/conda/lib/python3.12/os.py", true},
		{"/opt/conda/bin/python3.12", "/opt/other/lib/python3.12/os.py", false},
		{"/usr/bin/python3.11", "/usr/lib/python311.zip", true},
		{"/usr/bin/python3.11", "/usr/lib/pythonic/x.py", false},
		{"/usr/bin/python3.11", "/home/u/.local/lib/python3.11/site-packages/x.py", false},
		{"/tmp/bin/python3.11", "/tmp/lib/python3.11/x.py", false},
		{"/tmp/python", "/lib/python3.11/x.py", false},
		{"/usr/bin/python3.11", "/srv/app/lib/python3.11/x.py", false},
		{"/usr/bin/python3.11", "/usr/lib/python3.11", false},
	}
	for _, tt := range tests {
		if got := InLibrary(tt.exe, tt.path); got != tt.want {
			t.Errorf("%s for %s: want %v, got %v", tt.path, tt.exe, tt.want, got)
		}
	}
}

func TestTheFolderOfALibraryIsTold(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/opt/py/lib/python3.9/encodings/__pycache__/__init__.cpython-39.pyc": "/opt/py/lib/python3.9",
		"/opt/py/lib/python2.7/encodings/__init__.pyc":                        "/opt/py/lib/python2.7",
		"/usr/lib/pypy3.9/encodings/__init__.py":                              "/usr/lib/pypy3.9",
		"/opt/py/lib/python3.9/json/__init__.py":                              "",
		"/opt/py/python3.9/encodings/__init__.py":                             "", // not in lib
		"/srv/lib/app/encodings/__init__.py":                                  "",
		"/tmp/py/lib/python3.9/encodings/__init__.py":                         "", // anybody's
		"/opt/py/lib/python3.9/encodings/data.txt":                            "",
	} {
		if got := LibraryFolder(path); got != want {
			t.Errorf("%s: want %q, got %q", path, want, got)
		}
	}
}

func TestTheMainModuleIsTold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path, name      string
		main, isPackage bool
	}{
		{"/a/mod.py", "mod", true, false},
		{"/a/__pycache__/mod.cpython-311.pyc", "mod", true, false},
		{"/a/pkg/__main__.py", "pkg", true, true},
		{"/a/pkg/__pycache__/__main__.cpython-311.pyc", "pkg", true, true},
		{"/a/pkg/sub.py", "pkg.sub", true, false},
		{"/a/pkg/__init__.py", "pkg", false, false},
		{"/a/other.py", "mod", false, false},
		{"/a/xmod.py", "mod", false, false},
	}
	for _, tt := range tests {
		if main, isPackage := IsMain(tt.path, tt.name); main != tt.main || isPackage != tt.isPackage {
			t.Errorf("%s for -m %s: want %v, %v; got %v, %v", tt.path, tt.name, tt.main, tt.isPackage, main, isPackage)
		}
	}
}
