package fallback

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// connector receives what the kernel tells of processes, by the protocol of
// linux/connector.h and linux/cn_proc.h.
type connector struct {
	fd  int
	buf []byte
}

// Of the two headers. Numbers are in the machine's own order.
const (
	cnIdxProc  = 1
	cnValProc  = 1
	cnListen   = 1
	cnIgnore   = 2
	cnHeader   = 20 // struct cn_msg
	eventStart = unix.NLMSG_HDRLEN + cnHeader
	eventData  = 16 // offset of the union in struct proc_event

	whatNone = 0
	whatFork = 1
	whatExec = 2
	whatExit = 0x80000000

	receiveBuffer = 4 << 20 // bytes of notices that may wait, some 20,000
	ackWait       = time.Second
)

// notice is what happened to a process: its number is pid, for a fork that of
// the new one.
type notice struct {
	what   uint32
	pid    int
	parent int // of a fork
}

// openConnector subscribes to notices. The error says what is missing.
func openConnector() (*connector, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_CONNECTOR)
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		return nil, errors.New("there is no connector in this network namespace, or in this kernel (CONFIG_PROC_EVENTS): run it in the host's, with hostNetwork: true")
	}
	if err != nil {
		return nil, fmt.Errorf("open connector: %w", err)
	}
	c := &connector{fd: fd, buf: make([]byte, 64<<10)}
	if err := c.subscribe(); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return c, nil
}

func (c *connector) subscribe() error {
	if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer); err != nil {
		_ = unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer) // as much as may be had
	}
	if err := unix.SetsockoptSockFprog(c.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, filter()); err != nil {
		return fmt.Errorf("filter the connector's notices: %w", err)
	}
	if err := unix.Bind(c.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: cnIdxProc}); err != nil {
		return fmt.Errorf("join the connector's group, which takes CAP_NET_ADMIN: %w", err)
	}
	if err := c.send(cnListen); err != nil {
		return fmt.Errorf("subscribe to the connector, which takes CAP_NET_ADMIN: %w", err)
	}
	return c.acknowledged()
}

// number is how the answer to what is sent is known: it has the next one. The
// kernel overwrites the number that is meant for that.
func number() uint32 { return uint32(os.Getpid()) }

// send asks the kernel to begin or to end telling.
func (c *connector) send(op uint32) error {
	m := make([]byte, eventStart+4)
	order := binary.NativeEndian
	order.PutUint32(m[0:], uint32(len(m)))
	order.PutUint16(m[4:], unix.NLMSG_DONE)
	order.PutUint32(m[unix.NLMSG_HDRLEN:], cnIdxProc)
	order.PutUint32(m[unix.NLMSG_HDRLEN+4:], cnValProc)
	order.PutUint32(m[unix.NLMSG_HDRLEN+12:], number())
	order.PutUint16(m[unix.NLMSG_HDRLEN+16:], 4)
	order.PutUint32(m[eventStart:], op)
	return unix.Sendto(c.fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// acknowledged waits until the kernel says that it tells. It says nothing at
// all to a process in another than the first user or process namespace.
func (c *connector) acknowledged() error {
	order := binary.NativeEndian
	for deadline := time.Now().Add(ackWait); ; {
		left := time.Until(deadline)
		if left <= 0 {
			return errors.New("the connector does not answer: it takes CAP_NET_ADMIN, in the host's process, user and network namespaces")
		}
		fds := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, int(left.Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for the connector: %w", err)
		}
		n, _, err := unix.Recvfrom(c.fd, c.buf, 0)
		if err != nil || n < eventStart+eventData+4 {
			continue
		}
		m := c.buf[:n]
		if order.Uint32(m[eventStart:]) != whatNone || order.Uint32(m[unix.NLMSG_HDRLEN+12:]) != number()+1 {
			continue // of others, or what happened already
		}
		if code := order.Uint32(m[eventStart+eventData:]); code != 0 {
			return fmt.Errorf("the connector refuses: %w", unix.Errno(code))
		}
		return nil
	}
}

// filter drops, in the kernel, what is of no interest: all but forks, execs,
// ends and answers. It is a classic socket filter, for which no right is needed.
func filter() *unix.SockFprog {
	big := func(v uint32) uint32 { // how a filter reads what is in the machine's order
		return binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, v))
	}
	accept := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 20}
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	code := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: eventStart},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: big(whatNone), Jt: 4},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: big(whatFork), Jt: 3},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: big(whatExec), Jt: 2},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: big(whatExit), Jt: 1},
		drop, accept,
	}
	return &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
}

// receive returns the notices that wait, at most a few thousand, and whether
// some were lost because they were not fetched in time.
func (c *connector) receive(broken func()) (notices []notice, lost bool) {
	for range 4096 {
		n, from, err := unix.Recvfrom(c.fd, c.buf, 0)
		switch {
		case errors.Is(err, unix.ENOBUFS):
			lost = true
			continue
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return notices, lost
		}
		if a, ok := from.(*unix.SockaddrNetlink); !ok || a.Pid != 0 {
			continue // from another process, not from the kernel
		}
		list, ok := parseNotices(c.buf[:n])
		if !ok {
			broken()
		}
		notices = append(notices, list...)
	}
	return notices, lost
}

// parseNotices reads one datagram. Threads are left out. It reports false when
// something in it makes no sense.
func parseNotices(m []byte) (out []notice, ok bool) {
	order := binary.NativeEndian
	for len(m) >= unix.NLMSG_HDRLEN {
		size := int(order.Uint32(m))
		if size < unix.NLMSG_HDRLEN || size > len(m) {
			return out, false
		}
		if n, of, good := parseNotice(m[:size]); !good {
			return out, false
		} else if of {
			out = append(out, n)
		}
		m = m[min((size+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1), len(m)):]
	}
	return out, len(m) == 0
}

// parseNotice reads one message; of says that it is of interest.
func parseNotice(m []byte) (n notice, of, good bool) {
	order := binary.NativeEndian
	if len(m) < eventStart+eventData {
		return n, false, order.Uint16(m[4:]) != unix.NLMSG_DONE
	}
	data := m[eventStart+eventData:]
	word := func(i int) int { return int(order.Uint32(data[4*i:])) }
	switch n.what = order.Uint32(m[eventStart:]); n.what {
	case whatFork: // parent's thread and process, child's thread and process
		if len(data) < 16 {
			return n, false, false
		}
		n.parent, n.pid = word(1), word(3)
		return n, word(2) == word(3), true
	case whatExec, whatExit: // thread and process
		if len(data) < 8 {
			return n, false, false
		}
		n.pid = word(1)
		return n, word(0) == word(1), true
	}
	return n, false, true
}

func (c *connector) close() error {
	// Before 6.6 the kernel goes on telling nobody when it is not asked to stop.
	return errors.Join(c.send(cnIgnore), unix.Close(c.fd))
}
