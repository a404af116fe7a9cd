package fallback

import "kingsnake/capture/proc"

// Check says which ways to watch without BPF can be had here. It tries each for
// a moment.
func Check() []Status {
	out := []Status{
		{Name: "proc connector", Detail: "tells of processes"},
		{Name: "fanotify", Detail: "tells of opened files"},
	}
	if err := proc.FirstPIDNamespace(); err != nil {
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
