package cgroup_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/workload/cgroup"
)

// everywhere is the text of /proc/PID/cgroup on a machine with cgroups version 1,
// of a process that is at path in every hierarchy but those of version 2.
func everywhere(path, unified string) string {
	var b strings.Builder
	for _, line := range []string{
		"12:rdma:/", "11:blkio:", "10:memory:", "9:cpuset:", "8:freezer:", "7:cpu,cpuacct:", "6:net_cls,net_prio:",
		"5:perf_event:", "4:devices:", "3:hugetlb:", "2:pids:", "1:name=systemd:",
	} {
		b.WriteString(line)
		if !strings.HasSuffix(line, "/") {
			b.WriteString(path)
		}
		b.WriteByte('\n')
	}
	if unified != "" {
		b.WriteString("0::" + unified + "\n")
	}
	return b.String()
}

// TestLayouts reads /proc/PID/cgroup as it is under each version of cgroups, with
// each driver, for each thing that makes containers. The texts have the form that
// the projects document and their own tests hold; the ids are made up.
func TestLayouts(t *testing.T) {
	t.Parallel()
	pod := func(quality string) string { return "/kubepods/" + quality + "pod" + uid + "/" }
	slice := func(quality string) string {
		if quality == "" {
			return "/kubepods.slice/kubepods-pod" + escaped + ".slice/"
		}
		return "/kubepods.slice/kubepods-" + quality + ".slice/kubepods-" + quality + "-pod" + escaped + ".slice/"
	}
	kube := func(runtime string) cgroup.Container {
		return cgroup.Container{ID: id, Runtime: runtime, PodUID: uid}
	}
	docker := &cgroup.Container{ID: id, Runtime: "docker"}
	nested := cgroup.Container{ID: inner, PodUID: uid, Outer: docker}
	type layout struct {
		text string
		want cgroup.Container
	}
	tests := map[string]layout{
		"Docker, version 1":                 {everywhere("/docker/"+id, ""), cgroup.Container{ID: id, Runtime: "docker"}},
		"Docker, hybrid, systemd":           {everywhere("/system.slice/docker-"+id+".scope", "/system.slice/docker-"+id+".scope"), cgroup.Container{ID: id, Runtime: "docker"}},
		"Docker in Docker":                  {everywhere("/docker/"+id+"/docker/"+inner, "/"), cgroup.Container{ID: inner, Runtime: "docker", Outer: docker}},
		"cri-dockerd, version 2, systemd":   {"0::" + slice("besteffort") + "docker-" + id + ".scope\n", kube("docker")},
		"Podman, version 1, cgroupfs":       {everywhere("/libpod_parent/libpod-"+id, "/"), cgroup.Container{ID: id, Runtime: "podman"}},
		"Podman in Podman, version 2":       {"0::/machine.slice/libpod-" + id + ".scope/container/libpod-" + inner + ".scope/container\n", cgroup.Container{ID: inner, Runtime: "podman", Outer: &cgroup.Container{ID: id, Runtime: "podman"}}},
		"A pod of Podman":                   {"0::/machine.slice/machine-libpod_pod_" + inner + ".slice/libpod-" + id + ".scope/container\n", cgroup.Container{ID: id, Runtime: "podman"}},
		"kind, version 2, systemd":          {"0::/docker/" + id + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" + escaped + ".slice/cri-containerd-" + inner + ".scope\n", cgroup.Container{ID: inner, Runtime: "containerd", PodUID: uid, Outer: docker}},
		"kind, version 1, cgroupfs":         {everywhere("/docker/"+id+"/kubelet/kubepods/burstable/pod"+uid+"/"+inner, "/"), nested},
		"kind, one of its system services":  {"0::/docker/" + id + "/system.slice/containerd.service\n", cgroup.Container{ID: id, Runtime: "docker"}},
		"k3d":                               {everywhere("/docker/"+id+"/kubepods/besteffort/pod"+uid+"/"+inner, ""), nested},
		"k3s on a machine, its own service": {"0::/system.slice/k3s.service\n", cgroup.Container{}},
		"k3s, a rootless pod":               {"0::/user.slice/user-1000.slice/user@1000.service/k3s-rootless.slice/kubepods/besteffort/pod" + uid + "/" + id + "\n", kube("")},
		"A kubelet below another cgroup":    {everywhere("/lab/kubepods/burstable/pod"+uid+"/"+id, "/"), kube("")},
		"ctr run, with an id of 64 digits":  {"0::/default/" + id + "\n", cgroup.Container{ID: id}},

		// These have no id of 64 digits, and are taken for the host.
		"ctr run, with a name":     {"0::/default/my-container\n", cgroup.Container{}},
		"systemd-nspawn":           {"0::/machine.slice/systemd-nspawn@box.service/payload/system.slice/cron.service\n", cgroup.Container{}},
		"LXC":                      {"0::/lxc.payload.box/system.slice/cron.service\n", cgroup.Container{}},
		"LXC, version 1":           {everywhere("/lxc/box/init.scope", ""), cgroup.Container{}},
		"A build step of BuildKit": {"0::/system.slice/docker.service/buildkit/x7k2m9q4w1z8c5v3b6n0a2s4d\n", cgroup.Container{}},
		"Docker in LXC":            {"0::/lxc.payload.box/docker/" + id + "\n", cgroup.Container{ID: id, Runtime: "docker"}},

		// What somebody makes who may make cgroups.
		"A container's name below a container":  {"0::" + slice("") + "cri-containerd-" + id + ".scope/docker-" + inner + ".scope\n", cgroup.Container{ID: inner, Runtime: "docker", PodUID: uid, Outer: &cgroup.Container{ID: id, Runtime: "containerd", PodUID: uid}}},
		"A pod's name below a container":        {"0::/docker/" + id + "/podinfo\n", cgroup.Container{ID: id, Runtime: "docker"}},
		"A line without an end":                 {"0::/docker/" + id, cgroup.Container{ID: id, Runtime: "docker"}},
		"Thousands of hierarchies":              {strings.Repeat("1:x:/\n", cgroup.MaxPath/6+1), cgroup.Container{}},
		"An id in a controller's name":          {"1:name=" + id + ":/\n", cgroup.Container{}},
		"An id with a line feed, as it is read": {"0::/docker/" + id[:32] + "\n" + id[32:] + "\n", cgroup.Container{}},
	}
	// An init, sidecar or ephemeral container has a cgroup like any other.
	for name, quality := range map[string]string{"guaranteed": "", "burstable": "burstable", "besteffort": "besteffort"} {
		folder := quality
		if folder != "" {
			folder += "/"
		}
		for driver, at := range map[string]struct{ containerd, crio string }{
			"cgroupfs": {pod(folder) + id, pod(folder) + "crio-" + id},
			"systemd":  {slice(quality) + "cri-containerd-" + id + ".scope", slice(quality) + "crio-" + id + ".scope"},
		} {
			runtime := "containerd"
			if driver == "cgroupfs" {
				runtime = "" // the path does not tell
			}
			tests["containerd, version 1, "+driver+", "+name] = layout{everywhere(at.containerd, ""), kube(runtime)}
			tests["containerd, hybrid, "+driver+", "+name] = layout{everywhere(at.containerd, "/"), kube(runtime)}
			tests["containerd, version 2, "+driver+", "+name] = layout{"0::" + at.containerd + "\n", kube(runtime)}
			tests["CRI-O, version 1, "+driver+", "+name] = layout{everywhere(at.crio, ""), kube("cri-o")}
			tests["CRI-O, hybrid, "+driver+", "+name] = layout{everywhere(at.crio, "/"), kube("cri-o")}
			tests["CRI-O, version 2, "+driver+", "+name] = layout{"0::" + at.crio + "/container\n", kube("cri-o")}
		}
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
