package fallback

import (
	"os"
	"strconv"
	"strings"

	"kingsnake/capture/proc"
)

const maxRoots = 4096 // mount namespaces remembered

// watchMounts begins to watch what is mounted now: in this process's mount
// namespace everything, of the others' the roots.
func (s *Sensor) watchMounts() {
	if s.files == nil {
		return
	}
	mounts, _, err := proc.ReadBounded("/proc/self/mountinfo", 4<<20)
	if err == nil {
		for _, point := range mountPoints(mounts) {
			_, _ = proc.Look(&s.looker.Looks, func() (struct{}, error) { return struct{}{}, s.files.watch(point) })
		}
	}
	dir, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(1 << 16)
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			s.watchNew(pid)
		}
	}
}

// watchNew watches where a process works, unless one of its mount namespace was
// seen before: a container is then watched before the first Python in it runs.
func (s *Sensor) watchNew(pid int) {
	id := namespace("/proc/"+strconv.Itoa(pid), "mnt")
	if s.files == nil || id == 0 || s.roots[id] {
		return
	}
	if len(s.roots) >= maxRoots {
		clear(s.roots)
	}
	s.roots[id] = true
	s.watchRoot(pid)
}

// watchRoot watches the file systems of the root and the working folder of a
// process, as far as they may be.
func (s *Sensor) watchRoot(pid int) {
	if s.files == nil {
		return
	}
	_, _ = proc.Look(&s.looker.Looks, func() (struct{}, error) {
		_ = s.files.watch("/proc/" + strconv.Itoa(pid) + "/cwd/.") // of no consequence for the other
		return struct{}{}, s.files.watch(proc.Root(pid) + "/.")
	})
}

// mountPoints returns where file systems are mounted that hold files of their
// own, as far as their type tells: the rest is not even looked at.
func mountPoints(info []byte) (out []string) {
	for line := range strings.Lines(string(info)) {
		left, right, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		fields, kind := strings.Fields(left), strings.Fields(right)
		if !ok || len(fields) < 5 || len(kind) < 1 {
			continue
		}
		switch kind[0] {
		case "ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "ramfs", "rootfs", "overlay", "f2fs", "squashfs", "erofs", "zfs", "iso9660", "vfat":
			out = append(out, unescape(fields[4]))
		}
	}
	return out
}

// unescape undoes how the kernel writes spaces and the like in mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
