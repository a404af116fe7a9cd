package python

import "testing"

func TestTheInterpretersOwnLibraryIsTold(t *testing.T) {
	t.Parallel()
	const neither, own, site = "neither", "own", "site"
	tests := []struct {
		exe, library, path string
		want               string
	}{
		{"/usr/bin/python3.11", "/usr/lib/python3.11", "/usr/lib/python3.11/os.py", own},
		{"/usr/bin/python3.11", "/usr/lib/python3.11", "/usr/lib/python3.11/json/__pycache__/__init__.cpython-311.pyc", own},
		{"/usr/bin/python3.11", "/usr/lib64/python3.11", "/usr/lib64/python3.11/os.py", own},
		{"/usr/local/bin/python3.13t", "/usr/local/lib/python3.13t", "/usr/local/lib/python3.13t/os.py", own},
		{"/home/x/app/bin/python", "/usr/lib/python3.11", "/usr/lib/python3.11/os.py", own}, // copied
		{"/usr/bin/python3.11", "/usr/lib/python3.11", "/usr/lib/python3.11/site-packages.py", own},

		{"/usr/bin/python3.11", "/usr/lib/python3.11", "/usr/lib/python3/dist-packages/apt/__init__.py", site},
		{"/usr/bin/python3.11", "/usr/lib/python3.11", "/usr/local/lib/python3.11/dist-packages/x.py", site},
		{"/usr/bin/python3.11", "/usr/lib64/python3.11", "/usr/lib/python3.11/site-packages/x.py", site},
		{"/usr/local/bin/python3.11", "/usr/local/lib/python3.11", "/usr/local/lib/python3.11/site-packages/x.py", site},
		{"/usr/bin/pypy3.9", "/usr/lib/pypy3.9", "/usr/lib/pypy3/dist-packages/x.py", site},
		{"/srv/venv/bin/python3", "/usr/lib/python3.11", "/srv/venv/lib/python3.11/site-packages/x/y.py", site}, // copied into the environment
		{"/srv/venv/bin/python3", "/usr/lib/python3.11", "/srv/venv/lib64/python3.11/site-packages/x/y.py", site},

		{"/home/x/app/bin/python", "/usr/lib/python3.11", "/home/x/app/lib/python3.11/evil.py", neither}, // made up
		{"/usr/bin/python3.11", "/usr/lib/python3.11", "/usr/local/lib/python3.11/x.py", neither},
		{"/usr/bin/python3.11", "", "/usr/lib/python3.11/os.py", neither}, // it has not read its encodings there
		{"/usr/bin/python3.11", "", "/usr/lib/python3/dist-packages/x.py", neither},
		{"/usr/bin/python3.11", "/usr/lib/python3.11", "/usr/lib/python3.12/os.py", neither},
		{"/usr/bin/python3.11", "/usr/lib/python3.11", "/usr/lib/python3.11", neither},
		{"/usr/bin/python3.11", "/usr/lib/python3.11", "/usr/lib/pythonic/dist-packages/x.py", neither},
		{"/usr/bin/python3.11", "/usr/lib/python3.11", "/usr/library/python3/dist-packages/x.py", neither},
		{"/usr/bin/python3.11", "/usr/lib/python3.11", "/srv/venv/lib/python3.11/site-packages/x.py", neither}, // it links to /usr/bin
		{"/usr/bin/python3.11", "/usr/lib/python3.11", "/home/u/.local/lib/python3.11/site-packages/x.py", neither},
		{"/opt/conda/bin/python3.12", "/opt/conda/lib/python3.12", "/usr/local/lib/python3.12/site-packages/x.py", neither},
		{"/tmp/venv/bin/python3.11", "/usr/lib/python3.11", "/tmp/venv/lib/python3.11/site-packages/x.py", neither}, // anybody's
		{"/python", "/usr/lib/python3.11", "/lib/python3.11/site-packages/x.py", neither},
	}
	for _, tt := range tests {
		got := neither
		switch {
		case InLibrary(tt.library, tt.path) && InSitePackages(tt.exe, tt.library, tt.path):
			got = "both"
		case InLibrary(tt.library, tt.path):
			got = own
		case InSitePackages(tt.exe, tt.library, tt.path):
			got = site
		}
		if got != tt.want {
			t.Errorf("%s for %s with %q: want %s, got %s", tt.path, tt.exe, tt.library, tt.want, got)
		}
	}
}

func TestWhatMayBeALibraryIsTold(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/usr/lib/python2.7/site.pyc":                 true,
		"/usr/lib64/python3.11/os.py":                 true,
		"/home/x/app/lib/python3.11/evil.py":          true,
		"/usr/lib/python3/dist-packages/x.py":         false,
		"/usr/lib/python2.7/dist-packages/x/y.pyc":    false,
		"/srv/v/lib/python3.11/site-packages/x.py":    false,
		"/usr/lib/pythonic/x.py":                      false,
		"/tmp/app/lib/python3.11/x.py":                false,
		"/lib/python3.11/x.py":                        true,
		"/usr/lib/python3.11":                         false,
		"/srv/app/main.py":                            false,
		"/opt/app/lib/vendor/lib/python3.11/evil.py":  false, // the first counts
		"/usr/lib/python3.11/encodings/__init__.py":   true,
		"/dev/shm/lib/python3.11/encodings/ascii.pyc": false,
	} {
		if got := MayBeLibrary(path); got != want {
			t.Errorf("%s: want %v, got %v", path, want, got)
		}
	}
	for path, want := range map[string]bool{
		"/usr/lib/python311.zip": true, "/usr/lib/python3.11.zip": true, "/srv/app.zip": false, "/srv/pythonic.zip": false, "/usr/lib/python311": false,
	} {
		if got := IsLibraryArchive(path); got != want {
			t.Errorf("%s: want %v, got %v", path, want, got)
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
		"/opt/py/lib/python3.9/encodings/utf_8.py":                            "", // read later than the package itself
		"/opt/py/lib/python3.9/app/encodings/__init__.py":                     "",
		"/opt/py/python3.9/encodings/__init__.py":                             "", // not in lib
		"/srv/lib/app/encodings/__init__.py":                                  "",
		"/tmp/py/lib/python3.9/encodings/__init__.py":                         "", // anybody's
		"/opt/py/lib/python3.9/encodings/data.txt":                            "",
		"/cache/usr/lib/python3.9/encodings/__init__.cpython-39.pyc":          "", // PYTHONPYCACHEPREFIX, which anybody may set
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
		{"/cache/a/mod.cpython-311.pyc", "mod", true, false},
		{"/cache/a/pkg/__main__.cpython-311.opt-1.pyc", "pkg", true, true},
		{"/a/other.py", "mod", false, false},
		{"/a/xmod.py", "mod", false, false},
	}
	for _, tt := range tests {
		if main, isPackage := IsMain(tt.path, tt.name); main != tt.main || isPackage != tt.isPackage {
			t.Errorf("%s for -m %s: want %v, %v; got %v, %v", tt.path, tt.name, tt.main, tt.isPackage, main, isPackage)
		}
	}
}

func TestTheMainOfAFolderIsTold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path, folder string
		want         bool
	}{
		{"/a/app/__main__.py", "/a/app", true},
		{"/a/app/__main__.pyc", "/a/app", true},
		{"/a/app/__pycache__/__main__.cpython-311.pyc", "/a/app", true},
		{"/cache/a/app/__main__.cpython-311.pyc", "/a/app", true},
		{"/a/app/__main__.txt", "/a/app", false},
		{"/other/a/app/__main__.py", "/a/app", false},
		{"/a/app/sub/__main__.py", "/a/app", false},
		{"/a/app/main.py", "/a/app", false},
		{"/__main__.py", "", false},
	}
	for _, tt := range tests {
		if got := IsMainOf(tt.path, tt.folder); got != tt.want {
			t.Errorf("%s of %s: want %v, got %v", tt.path, tt.folder, tt.want, got)
		}
	}
}
