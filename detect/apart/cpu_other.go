//go:build !linux

package apart

import "time"

// cpu is not known on this system until the process has ended.
func (w *process) cpu() time.Duration { return 0 }
