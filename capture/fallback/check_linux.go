package fallback

import (
	"fmt"

	"kingsnake/capture/proc"
	"kingsnake/capture/rights"
)

// mayLook says why this process may not look at those that it would be told of.
// Since Linux 6.6 anybody is told of all processes.
func mayLook() error {
	// They are known by the numbers that the first pid namespace has for them.
	if err := proc.FirstPIDNamespace(); err != nil {
		return err
	}
	granted, err := rights.Granted()
	if err != nil {
		return nil // it will be seen
	}
	for _, c := range rights.Capabilities(rights.WithoutBPF) {
		if c.Must && granted&(1<<c.Bit) == 0 {
			return fmt.Errorf("CAP_%s is not granted, to %s", c.Name, c.For)
		}
	}
	return nil
}

// Check says which ways to watch without BPF can be had here. It tries each for
// a moment.
func Check() []Status {
	out := []Status{
		{Name: "proc connector", Detail: "tells of processes"},
		{Name: "fanotify", Detail: "tells of opened files"},
	}
	if err := mayLook(); err != nil {
		out[0].Detail, out[1].Detail = err.Error(), err.Error()
		return out
	}
	c, err := openConnector()
	if out[0].OK = err == nil; err != nil {
		out[0].Detail = err.Error()
	} else {
		_ = c.close() // nothing was read from it
	}
	f, err := openFiles()
	if out[1].OK = err == nil; err != nil {
		out[1].Detail = err.Error()
	} else {
		_ = f.close()
	}
	return out
}
