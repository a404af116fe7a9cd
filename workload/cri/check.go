package cri

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Status is whether one container runtime can be asked.
type Status struct {
	Path   string // of its socket
	OK     bool   // it answered, and speaks CRI v1
	Detail string // its name and version, or why it cannot be asked
	Fix    string // what would mend it; "" when nothing has to be, or nobody knows
}

// Check asks the runtime at each socket who it is, for people who want to know
// why containers have no names. It takes what Config.Socket takes.
func Check(ctx context.Context, socket string) []Status {
	c := newClient(socket, 0, time.Now)
	defer func() { _ = c.close() }() // nothing is under way then
	statuses := make([]Status, 0, len(c.sockets))
	for _, path := range c.sockets {
		s := Status{Path: path}
		name, version, err := c.version(ctx, path)
		switch {
		case err == nil:
			s.OK, s.Detail = true, name+" "+version
		case errors.Is(err, fs.ErrNotExist):
			s.Detail = "there is no such socket"
			if socket != "" {
				s.Fix = "start the container runtime, or name the socket it listens on"
			}
		case errors.Is(err, fs.ErrPermission):
			s.Detail = "this user may not open it"
			s.Fix = "run as root, or as a user who may open " + path
		default:
			s.Detail = err.Error()
			switch {
			case errors.Is(err, errOldCRI):
				s.Fix = "update the runtime: containerd to 1.6 or later, CRI-O to 1.20 or later"
			case errors.Is(err, errNoCRI):
				s.Fix = fmt.Sprintf("take \"cri\" off disabled_plugins in the configuration of the runtime behind %s", path)
			}
		}
		statuses = append(statuses, s)
	}
	return statuses
}
