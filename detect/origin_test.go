package detect

import (
	"testing"
	"time"

	"kingsnake/capture"
	"kingsnake/workload"
)

func TestOriginOf(t *testing.T) {
	t.Parallel()
	created := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	in := workload.Workload{Container: workload.Container{ID: "c0ffee", Created: created}}
	file := func(fs string, age time.Duration) capture.Script {
		return capture.Script{Kind: capture.File, Path: "/x.py", Inode: capture.Inode{Number: 1, Filesystem: fs, Changed: created.Add(-age)}}
	}
	for name, tc := range map[string]struct {
		script capture.Script
		where  workload.Workload
		want   string
	}{
		"-c is an argument":                             {capture.Script{Kind: capture.Command}, in, "argument"},
		"a pipe is a stream":                            {capture.Script{Kind: capture.Stdin}, in, "stream"},
		"a redirected file is a file":                   {capture.Script{Kind: capture.Stdin, Path: "/x.py", Inode: file("overlay", time.Hour).Inode}, in, "image"},
		"memfd is memory":                               {file("memfd", -time.Second), in, "memory"},
		"older than the container on overlay: image":    {file("overlay", time.Hour), in, "image"},
		"younger than the container: run time":          {file("overlay", -time.Second), in, "runtime"},
		"younger on a mounted tmpfs: run time too":      {file("tmpfs", -time.Second), in, "runtime"},
		"older on another file system: volume":          {file("ext4", time.Hour), in, "volume"},
		"host: unknown":                                 {file("ext4", time.Hour), workload.Workload{}, "unknown"},
		"container's age unknown: unknown":              {file("overlay", time.Hour), workload.Workload{Container: workload.Container{ID: "c0ffee"}}, "unknown"},
		"the file's change was not captured: unknown":   {capture.Script{Kind: capture.File, Path: "/x.py"}, in, "unknown"},
		"text compiled at run time never was in a file": {capture.Script{Kind: capture.Compiled}, in, "memory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := originOf(tc.script, tc.where)
			if got.When != tc.want || got.Why == "" {
				t.Errorf("originOf = %q (%q), want %q with a reason", got.When, got.Why, tc.want)
			}
		})
	}
}
