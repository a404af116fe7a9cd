package cgroup_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"kingsnake/workload/cgroup"
)

func TestTheLayoutIsTold(t *testing.T) {
	t.Parallel()
	const (
		unified = "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
		memory  = "31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		beside  = "32 30 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	)
	for name, tt := range map[string]struct {
		mounts, folder string
		want           cgroup.Layout
	}{
		"v2, systemd":        {unified, "sys/fs/cgroup/kubepods.slice", cgroup.Layout{Version: "v2", Driver: "systemd"}},
		"v2, Docker":         {unified, "sys/fs/cgroup/system.slice/docker-0123.scope", cgroup.Layout{Version: "v2", Driver: "systemd"}},
		"v2, Podman":         {unified, "sys/fs/cgroup/machine.slice/libpod-0123.scope", cgroup.Layout{Version: "v2", Driver: "systemd"}},
		"v2, cgroupfs":       {unified, "sys/fs/cgroup/kubepods", cgroup.Layout{Version: "v2", Driver: "cgroupfs"}},
		"v2, no containers":  {unified, "sys/fs/cgroup/system.slice/ssh.service", cgroup.Layout{Version: "v2"}},
		"v1":                 {memory, "sys/fs/cgroup/memory/docker", cgroup.Layout{Version: "v1", Driver: "cgroupfs"}},
		"hybrid":             {memory + beside, "sys/fs/cgroup/memory/kubepods.slice", cgroup.Layout{Version: "hybrid", Driver: "systemd"}},
		"none":               {"25 1 8:1 / / rw - ext4 /dev/sda1 rw\n", "sys/fs/cgroup", cgroup.Layout{}},
		"nothing to be read": {"nonsense\n", "tmp", cgroup.Layout{}},
	} {
		root := fstest.MapFS{"proc/self/mountinfo": {Data: []byte(tt.mounts)}, tt.folder: {Mode: fs.ModeDir | 0o755}}
		if got := cgroup.ReadLayout(root); got != tt.want {
			t.Errorf("%s: want %+v, got %+v", name, tt.want, got)
		}
		if cgroup.ReadLayout(root).String() == "" {
			t.Errorf("%s: not said in words", name)
		}
	}
}
