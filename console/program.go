package console

import (
	"strconv"

	"kingsnake/finding"
)

// detectedProgram is what detected lists for a finding that is about a program,
// not about a script.
func detectedProgram(f finding.Finding) (inSight, rest []fact) {
	p := f.Process
	binary := fact{Label: "Program binary", Value: show(p.Exe), Missing: missing(p.Exe, "The program's path was not captured.")}
	args := fact{Label: "Arguments", List: argViews(p.Args, f.Script), Note: show(cutNote(p.ArgsTruncated, "More arguments were given than are kept."))}
	if len(p.Args) == 0 {
		args.Missing = "No arguments were captured."
	}
	inSight = []fact{binary, args}
	if list := f.Connections; len(list) > 0 {
		made := fact{Label: "Connections"}
		for _, c := range list[:min(len(list), finding.MaxConnections)] {
			e := show(c.Peer)
			if c.Local != "" {
				e = append(append(e, piece{Text: " from ", Note: true}), show(c.Local)...)
			}
			made.List = append(made.List, e)
		}
		inSight = append(inSight, made)
	}
	if f.Script.Parent != "" {
		inSight = append(inSight, fact{Label: "Started by the script", Value: show(f.Script.Parent), URL: findingsURL("sha256", f.Script.Parent)})
	}
	rest = []fact{digestOf(p)}
	if p.Cwd != "" {
		rest = append(rest, fact{Label: "Working directory", Value: show(p.Cwd)})
	}
	return inSight, append(rest, userOf(p))
}

// digestOf is the hash of a process's binary, or why it is not known.
func digestOf(p finding.Process) fact {
	if p.ExeSHA256 == "" {
		why := p.ExeUnread
		if why == "" {
			why = "the sensor did not read the binary"
		}
		return fact{Label: "Binary SHA-256", Missing: "Not known: " + plain(why) + "."}
	}
	return fact{Label: "Binary SHA-256", Value: show(p.ExeSHA256), Note: show(size(p.ExeSize))}
}

// userOf is the user a process ran as.
func userOf(p finding.Process) fact {
	user := fact{Label: "User id", Value: show(strconv.FormatUint(uint64(p.UID), 10))}
	if p.UID == 0 {
		user.Note = show("root")
	}
	return user
}
