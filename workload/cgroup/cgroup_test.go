package cgroup_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/workload/cgroup"
)

// The ids are made up; one outer and one inner.
var (
	id    = strings.Repeat("0123456789abcdef", 4)
	inner = strings.Repeat("fedcba9876543210", 4)
)

const (
	uid       = "3f2a8c1e-9b7d-4c55-8e21-0a1b2c3d4e5f"
	escaped   = "3f2a8c1e_9b7d_4c55_8e21_0a1b2c3d4e5f"
	staticUID = "8f0c5a1be3d24f6790a1b2c3d4e5f607"
)

func TestParse(t *testing.T) {
	t.Parallel()
	type container = cgroup.Container
	tests := map[string]struct {
		path string
		want container
	}{
		"An empty path is the host's.":            {"", container{}},
		"The root is the host's.":                 {"/", container{}},
		"A login session is on the host.":         {"/user.slice/user-0.slice/session-1.scope", container{}},
		"A service is on the host.":               {"/system.slice/ssh.service", container{}},
		"The kubelet is on the host.":             {"/system.slice/kubelet.service", container{}},
		"The last component alone is enough.":     {id, container{ID: id}},
		"The last component alone, with systemd.": {"cri-containerd-" + id + ".scope", container{ID: id, Runtime: "containerd"}},

		"containerd, cgroupfs, burstable": {
			"/kubepods/burstable/pod" + uid + "/" + id, container{ID: id, PodUID: uid},
		},
		"containerd, cgroupfs, guaranteed": {
			"/kubepods/pod" + uid + "/" + id, container{ID: id, PodUID: uid},
		},
		"containerd, systemd, burstable": {
			"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + escaped + ".slice/cri-containerd-" + id + ".scope",
			container{ID: id, Runtime: "containerd", PodUID: uid},
		},
		"containerd, systemd, guaranteed": {
			"/kubepods.slice/kubepods-pod" + escaped + ".slice/cri-containerd-" + id + ".scope",
			container{ID: id, Runtime: "containerd", PodUID: uid},
		},
		"containerd, systemd notation taken for a path": {
			"/system.slice/kubepods-burstable-pod" + escaped + ".slice:cri-containerd:" + id,
			container{ID: id, Runtime: "containerd", PodUID: uid},
		},
		"A static pod's UID is a digest.": {
			"/kubepods/burstable/pod" + staticUID + "/" + id, container{ID: id, PodUID: staticUID},
		},
		"nerdctl, systemd": {
			"/system.slice/nerdctl-" + id + ".scope", container{ID: id, Runtime: "containerd"},
		},
		"ctr names the cgroup after namespace and id.": {"/default/" + id, container{ID: id}},

		"CRI-O, systemd": {
			"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + escaped + ".slice/crio-" + id + ".scope",
			container{ID: id, Runtime: "cri-o", PodUID: uid},
		},
		"CRI-O puts the process one below on version 2.": {
			"/kubepods.slice/kubepods-besteffort-pod" + escaped + ".slice/crio-" + id + ".scope/container",
			container{ID: id, Runtime: "cri-o", PodUID: uid},
		},
		"CRI-O, cgroupfs": {
			"/kubepods/besteffort/pod" + uid + "/crio-" + id, container{ID: id, Runtime: "cri-o", PodUID: uid},
		},
		"CRI-O's monitor is on the host.": {
			"/kubepods.slice/kubepods-pod" + escaped + ".slice/crio-conmon-" + id + ".scope", container{},
		},

		"Docker, cgroupfs": {"/docker/" + id, container{ID: id, Runtime: "docker"}},
		"Docker, systemd":  {"/system.slice/docker-" + id + ".scope", container{ID: id, Runtime: "docker"}},
		"A service manager inside a container": {
			"/docker/" + id + "/system.slice/cron.service", container{ID: id, Runtime: "docker"},
		},

		"Podman, systemd": {"/machine.slice/libpod-" + id + ".scope", container{ID: id, Runtime: "podman"}},
		"Podman, rootless": {
			"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id + ".scope/container",
			container{ID: id, Runtime: "podman"},
		},
		"Podman, cgroupfs":                 {"/libpod_parent/libpod-" + id, container{ID: id, Runtime: "podman"}},
		"Podman's monitor is on the host.": {"/machine.slice/libpod-conmon-" + id + ".scope", container{}},

		"A node in a container: the innermost container counts, cgroupfs.": {
			"/docker/" + id + "/kubelet/kubepods/besteffort/pod" + uid + "/" + inner,
			container{ID: inner, PodUID: uid, Outer: &container{ID: id, Runtime: "docker"}},
		},
		"A node in a container: the innermost container counts, systemd.": {
			"/system.slice/docker-" + id + ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod" + escaped + ".slice/cri-containerd-" + inner + ".scope",
			container{ID: inner, Runtime: "containerd", PodUID: uid, Outer: &container{ID: id, Runtime: "docker"}},
		},
		"A node in a container: the kubelet is in the outer one.": {
			"/docker/" + id + "/kubelet", container{ID: id, Runtime: "docker"},
		},
		"A pod's cgroup without a container": {"/kubepods/burstable/pod" + uid, container{PodUID: uid}},
		"A path from within another cgroup namespace": {
			"/../../pod" + uid + "/" + id, container{ID: id, PodUID: uid},
		},

		"Upper case is no id.":              {"/docker/" + strings.ToUpper(id), container{}},
		"One digit less is no id.":          {"/docker/" + id[1:], container{}},
		"One digit more is no id.":          {"/docker/" + id + "0", container{}},
		"A name around an id is no id.":     {"/docker/x" + id + "y", container{}},
		"An unknown prefix is no id.":       {"/x-" + id + ".scope", container{}},
		"A prefix without an id":            {"/docker-.scope/crio-/cri-containerd-", container{}},
		"A slice called pod without a UID":  {"/kubepods.slice/kubepods-podinfo.slice", container{}},
		"A folder called pod without a UID": {"/podcasts", container{}},
		"A UID with a letter beyond f":      {"/kubepods/podzf2a8c1e-9b7d-4c55-8e21-0a1b2c3d4e5f", container{}},
		"Colons that are not systemd's":     {"/a:b:c/::/:", container{}},
		"Nothing but separators":            {"//////", container{}},
		"Control characters and bad UTF-8":  {"/docker/\x00\xff\n" + id[3:], container{}},
		"A path too long is not looked at.": {"/docker/" + id + strings.Repeat("/x", cgroup.MaxPath), container{}},
		"Many colons":                       {strings.Repeat(":", cgroup.MaxPath), container{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, cgroup.Parse(test.path)); diff != "" {
				t.Errorf("Parse(%.200q): -want +got\n%s", test.path, diff)
			}
		})
	}
}

func TestParseProc(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want cgroup.Container
	}{
		"version 2": {
			"0::/system.slice/docker-" + id + ".scope\n", cgroup.Container{ID: id, Runtime: "docker"},
		},
		"Hybrid: the container is in version 1 only.": {
			"12:memory:/kubepods/burstable/pod" + uid + "/" + id + "\n1:name=systemd:/kubepods/burstable/pod" + uid + "/" + id + "\n0::/\n",
			cgroup.Container{ID: id, PodUID: uid},
		},
		"The line that says most counts.": {
			"0::/" + id + "\n3:cpu,cpuacct:/docker/" + inner + "\n", cgroup.Container{ID: inner, Runtime: "docker"},
		},
		"A controller's name with a colon stays in the path.": {
			"1:name=systemd:/system.slice/kubepods-pod" + escaped + ".slice:cri-containerd:" + id + "\n",
			cgroup.Container{ID: id, Runtime: "containerd", PodUID: uid},
		},
		"A cgroup removed under its last process": {
			"0::/docker/" + id + " (deleted)\n", cgroup.Container{ID: id, Runtime: "docker"},
		},
		"the host":        {"4:memory:/user.slice\n0::/init.scope\n", cgroup.Container{}},
		"Broken lines":    {"\n:\n::\nno colon\n0:", cgroup.Container{}},
		"Nothing at all.": {"", cgroup.Container{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, cgroup.ParseProc([]byte(test.text))); diff != "" {
				t.Errorf("ParseProc: -want +got\n%s", diff)
			}
		})
	}
}

// FuzzParse states what holds for any path, however hostile: an id is an id, a
// UID has a UID's digits, the id stands in the path, and a runtime is never named
// without a container.
func FuzzParse(f *testing.F) {
	f.Add("/kubepods/burstable/pod" + uid + "/" + id)
	f.Add("/system.slice/kubepods-burstable-pod" + escaped + ".slice:cri-containerd:" + id)
	f.Add("/kubepods.slice/kubepods-pod" + escaped + ".slice/crio-conmon-" + id + ".scope")
	f.Add("/machine.slice/libpod-" + id + ".scope/container")
	f.Add("0::/docker/" + id + "\n1:memory:/x")
	f.Fuzz(func(t *testing.T, path string) {
		for _, c := range []cgroup.Container{cgroup.Parse(path), cgroup.ParseProc([]byte(path))} {
			if c.ID != "" && (len(c.ID) != 64 || strings.Trim(c.ID, "0123456789abcdef") != "" || !strings.Contains(path, c.ID)) {
				t.Errorf("id %q out of %q", c.ID, path)
			}
			if c.PodUID != "" && strings.Trim(c.PodUID, "0123456789abcdef-") != "" {
				t.Errorf("pod UID %q out of %q", c.PodUID, path)
			}
			switch c.Runtime {
			case "", "containerd", "cri-o", "docker", "podman":
			default:
				t.Errorf("runtime %q out of %q", c.Runtime, path)
			}
			if c.Runtime != "" && c.ID == "" {
				t.Errorf("runtime %q without a container out of %q", c.Runtime, path)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	path := "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + escaped + ".slice/cri-containerd-" + id + ".scope"
	b.ReportAllocs()
	for b.Loop() {
		cgroup.Parse(path)
	}
}
