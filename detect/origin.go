package detect

import (
	"fmt"
	"time"

	"kingsnake/capture"
	"kingsnake/finding"
	"kingsnake/workload"
)

// originOf answers whether a script came with the image or was written at run
// time, from the inode's last change and the container's creation.
//
// A file's ctime cannot be set back by its owner, and the files of an image are
// unpacked before any container is made from it. So on the container's overlay
// a ctime before the container's creation means "came with the image", and any
// ctime after it means "written, or at least changed, at run time".
func originOf(s capture.Script, w workload.Workload) finding.Origin {
	o := finding.Origin{Changed: s.Inode.Changed, When: "unknown"}
	created := w.Container.Created
	switch {
	case s.Kind == capture.Command:
		o.When, o.Why = "argument", "the text was an argument of the command line; there is no file"
	case s.Kind == capture.Compiled:
		o.When, o.Why = "memory", "the text was compiled at run time; there is no file"
	case s.Inode.Filesystem == "memfd":
		o.When, o.Why = "memory", "the file lies in memory only (memfd)"
	case s.Inode.Filesystem == "pipe" || s.Kind == capture.Stdin && s.Path == "":
		o.When, o.Why = "stream", "the text came through a pipe; there is no file"
	case s.Inode.Changed.IsZero():
		o.Why = "the file's last change was not captured"
	case w.Host():
		o.Why = "it ran on the host, where there is no image to compare with"
	case created.IsZero():
		o.Why = "the container's creation time is not known" + because(w.Unresolved["container.created"])
	case s.Inode.Changed.After(created):
		o.When = "runtime"
		o.Why = fmt.Sprintf("the file was written or changed %s after the container was created", round(s.Inode.Changed.Sub(created)))
	case s.Inode.Filesystem == "overlay":
		o.When = "image"
		o.Why = fmt.Sprintf("the file was last changed %s before the container was created, and lies on its image", round(created.Sub(s.Inode.Changed)))
	default:
		o.When = "volume"
		o.Why = fmt.Sprintf("the file lies on a mounted %s file system, not on the image, and is older than the container", s.Inode.Filesystem)
	}
	return o
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// round shortens a duration to what a reader needs.
func round(d time.Duration) time.Duration {
	switch {
	case d > time.Hour:
		return d.Round(time.Minute)
	case d > time.Minute:
		return d.Round(time.Second)
	default:
		return d.Round(time.Millisecond)
	}
}
