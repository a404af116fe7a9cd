//go:build amd64 || arm64

package sensor

import (
	"path"
	"strings"

	"kingsnake/capture"
	"kingsnake/capture/python"
)

const maxFolders = 1024

// folder is where an interpreter has its standard library, as the processes of a
// mount namespace see it.
type folder struct {
	namespace uint32
	path      string
}

// learnFolder remembers where a program read its library from, once both that and
// its exec are known. An interpreter that was copied or embedded has its library
// where it was built to look for it and not beside itself, and what is left out
// by the kernel half in the next program does not tell it again.
func (t *tracker) learnFolder(p *program) {
	if p.library != "" && p.exec != nil {
		t.folders.put(folder{p.exec.process.MountNamespace, p.library}, struct{}{})
	}
}

// inLibrary reports whether a file belongs to the interpreter of a program, or
// to the site packages beside its library, and not to what it runs.
func (t *tracker) inLibrary(p *program, r *reading) bool {
	path := r.path
	if python.InLibrary(p.exec.process.Exe, path) || p.library != "" && strings.HasPrefix(path, p.library+"/") {
		return true
	}
	for i := 1; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		if _, ok := t.folders.entries[folder{p.exec.process.MountNamespace, path[:i]}]; ok {
			return true
		}
	}
	return false
}

// learnModule remembers a module of an interpreter's library, for it is compiled
// or loaded when it has been read.
func (t *tracker) learnModule(r *reading) {
	text := r.text.content(0)
	switch path.Ext(r.path) {
	case ".py":
		t.library.put(capture.Sum(text), struct{}{})
	case ".pyc":
		if code := python.Code(text); code != nil {
			t.library.put(capture.Sum(code), struct{}{})
			t.teacher.learnCode(code)
		}
	}
}
