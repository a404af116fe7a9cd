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
	mounts, _, err := readBounded("/proc/self/mountinfo", 4<<20)
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
			s.watchRoot(pid)
		}
	}
}

// watchRoot watches the root and the working folder of a process, once for each mount namespace.
func (s *Sensor) watchRoot(pid int) {
	dir := "/proc/" + strconv.Itoa(pid)
	id := namespace(dir, "mnt")
	if s.files == nil || id == 0 || s.roots[id] {
		return
	}
	if len(s.roots) >= maxRoots {
		clear(s.roots)
	}
	s.roots[id] = true
	_, _ = proc.Look(&s.looker.Looks, func() (struct{}, error) {
		_ = s.files.watch(dir + "/cwd/.") // as far as may be had
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
