package fallback

import (
	"encoding/binary"
	"os"
	"os/exec"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"kingsnake/capture"
)

// message makes a datagram of the connector.
func message(what uint32, data ...uint32) []byte {
	order := binary.NativeEndian
	m := make([]byte, eventStart+eventData+max(4*len(data), 24))
	order.PutUint32(m, uint32(len(m)))
	order.PutUint16(m[4:], unix.NLMSG_DONE)
	order.PutUint32(m[eventStart:], what)
	for i, v := range data {
		order.PutUint32(m[eventStart+eventData+4*i:], v)
	}
	return m
}

func TestNoticesOfProcessesAreRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in   []byte
		want []notice
		ok   bool
	}{
		"an exec":              {message(whatExec, 7, 7), []notice{{what: whatExec, pid: 7}}, true},
		"a fork":               {message(whatFork, 3, 2, 9, 9), []notice{{what: whatFork, pid: 9, parent: 2}}, true},
		"a new thread":         {message(whatFork, 3, 2, 9, 2), nil, true},
		"the end of a thread":  {message(whatExit, 9, 2, 0, 17), nil, true},
		"an end":               {message(whatExit, 2, 2, 0, 17), []notice{{what: whatExit, pid: 2}}, true},
		"another":              {message(0x200, 2, 2), nil, true},
		"two in one":           {append(message(whatExec, 7, 7), message(whatExit, 7, 7)...), []notice{{what: whatExec, pid: 7}, {what: whatExit, pid: 7}}, true},
		"nothing":              {nil, nil, true},
		"less than a header":   {make([]byte, 10), nil, false},
		"a length beyond":      {append([]byte{255, 255, 0, 0}, message(whatExec, 7, 7)[4:]...), nil, false},
		"a length of nothing":  {make([]byte, 40), nil, false},
		"cut within the event": {message(whatExec, 7, 7)[:40], nil, false},
	} {
		if got, ok := parseNotices(tt.in); !slices.Equal(got, tt.want) || ok != tt.ok {
			t.Errorf("%s: want %v, %v; got %v, %v", name, tt.want, tt.ok, got, ok)
		}
	}
}

// metadata makes an event of fanotify.
func metadata(mask uint64, fd, pid int32) []byte {
	order := binary.NativeEndian
	m := make([]byte, metadataLen)
	order.PutUint32(m, metadataLen)
	m[4] = metadataVers
	order.PutUint64(m[8:], mask)
	order.PutUint32(m[16:], uint32(fd))
	order.PutUint32(m[20:], uint32(pid))
	return m
}

func TestNoticesOfFilesAreRead(t *testing.T) {
	t.Parallel()
	old := metadata(unix.FAN_OPEN, 5, 7)
	old[4] = 2
	for name, tt := range map[string]struct {
		in       []byte
		want     []opened
		lost, ok bool
	}{
		"opened":          {metadata(unix.FAN_OPEN, 5, 7), []opened{{5, 7, false}}, false, true},
		"opened to run":   {metadata(unix.FAN_OPEN|unix.FAN_OPEN_EXEC, 5, 7), []opened{{5, 7, true}}, false, true},
		"the queue full":  {append(metadata(unix.FAN_Q_OVERFLOW, -1, 0), metadata(unix.FAN_OPEN, 5, 7)...), []opened{{5, 7, false}}, true, true},
		"no file":         {metadata(unix.FAN_OPEN, -1, 7), nil, false, true},
		"another version": {old, nil, false, false},
		"cut":             {metadata(unix.FAN_OPEN, 5, 7)[:20], nil, false, false},
	} {
		if got, lost, ok := parseOpened(tt.in); !slices.Equal(got, tt.want) || lost != tt.lost || ok != tt.ok {
			t.Errorf("%s: want %v, %v, %v; got %v, %v, %v", name, tt.want, tt.lost, tt.ok, got, lost, ok)
		}
	}
}

func FuzzNotices(f *testing.F) {
	f.Add(message(whatExec, 7, 7))
	f.Add(append(message(whatFork, 3, 2, 9, 9), message(whatExit, 2, 2)...))
	f.Add(metadata(unix.FAN_OPEN, 5, 7))
	f.Fuzz(func(t *testing.T, in []byte) {
		if notices, _ := parseNotices(in); len(notices)*unix.NLMSG_HDRLEN > len(in) {
			t.Errorf("%d notices in %d bytes", len(notices), len(in))
		}
		if list, _, _ := parseOpened(in); len(list)*metadataLen > len(in) {
			t.Errorf("%d files in %d bytes", len(list), len(in))
		}
	})
}

func TestTheCgroupIsTheDeepest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ in, want string }{
		"version 2":                      {"0::/kubepods/pod1/abc\n", "/kubepods/pod1/abc"},
		"version 1":                      {"9:name=systemd:/\n4:memory:/docker/abc\n0::/\n", "/docker/abc"},
		"hybrid, as deep":                {"4:memory:/a/b\n0::/c/d\n1:cpu:/e/f\n", "/c/d"},
		"a colon in its name":            {"0::/a:b\n", "/a:b"},
		"nothing":                        {"", ""},
		"not of the form it should have": {"nonsense\n", ""},
	} {
		if got := cgroupPath([]byte(tt.in)); got != tt.want {
			t.Errorf("%s: want %q, got %q", name, tt.want, got)
		}
	}
}

func TestFileSystemsOfOthersAreNotTouched(t *testing.T) {
	t.Parallel()
	info := `25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
26 25 0:22 / /proc rw - proc proc rw
27 25 0:40 / /mnt/far rw - nfs4 server:/x rw
28 25 0:41 / /mnt/fuse rw - fuse.sshfs x rw
29 25 0:42 / /mnt/with\040space rw shared:3 master:4 - tmpfs none rw
30 25 0:43 broken
`
	if got, want := mountPoints([]byte(info)), []string{"/", "/mnt/with space"}; !slices.Equal(got, want) {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestStatusIsRead(t *testing.T) {
	t.Parallel()
	var p capture.Process
	parseStatus([]byte("Name:\tpy (x) 3\nUmask:\t0022\nPPid:\t12\nUid:\t1000\t0\t0\t0\nGid:\t100\t0\t0\t0\nGroups:\t \n"), &p)
	if p.Comm != "py (x) 3" || p.PPID != 12 || p.UID != 1000 || p.GID != 100 {
		t.Errorf("got %+v", p)
	}
}

// TestNoticesThatDoNotFitAreCounted lets more happen than the socket holds.
func TestNoticesThatDoNotFitAreCounted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip(`the connector takes root: run "sudo -E go test ./capture/fallback"`)
	}
	c, err := openConnector()
	if err != nil {
		t.Skip(err)
	}
	defer c.close()
	if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1); err != nil { // the least there is
		t.Fatal(err)
	}
	for range 40 {
		if err := exec.Command("/bin/true").Run(); err != nil {
			t.Fatal(err)
		}
	}
	if notices, lost := c.receive(func() { t.Error("malformed") }); !lost {
		t.Errorf("%d notices came and none is said to be lost", len(notices))
	}
}
