package finding

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Stage is a station on a script's way at which something can be lost.
type Stage string

// The stages.
const (
	StageCapture  Stage = "capture"  // in the kernel and in the sensor
	StageWorkload Stage = "workload" // where it ran could not be said in full; the script was judged all the same
	StageDetect   Stage = "detect"   // the queue, the judging and the sink
	StageHold     Stage = "hold"     // a script ran, or its process was not stopped, before its verdict; it was judged all the same
	StagePush     Stage = "push"     // the way to the server
)

// Loss names one way of losing something: where and why. It is the one
// vocabulary of losses, in heartbeats, metrics, pages and findings. In JSON it
// is "capture: exec ring full".
type Loss struct {
	Stage  Stage
	Reason string // in plain words, one of a bounded number a stage
}

// String returns l as its JSON form has it.
func (l Loss) String() string {
	if l.Stage == "" {
		return l.Reason
	}
	return string(l.Stage) + ": " + l.Reason
}

// MarshalText makes l a key of a JSON object.
func (l Loss) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText wrote. Every text is accepted: one
// without a stage is a reason alone.
func (l *Loss) UnmarshalText(text []byte) error {
	stage, reason, ok := strings.Cut(string(text), ": ")
	if !ok || stage == "" {
		stage, reason = "", string(text)
	}
	*l = Loss{Stage: Stage(stage), Reason: reason}
	return nil
}

// Losses counts what was lost, since a sensor started or in some span of time.
// The nil map is no losses.
type Losses map[Loss]uint64

// Add counts the losses of one stage by reason. Capturing and judging both count
// what is lost of a hold: a reason that begins with "hold: " is of that stage.
func (l Losses) Add(stage Stage, reasons map[string]uint64) {
	for reason, n := range reasons {
		if n == 0 {
			continue
		}
		if rest, ok := strings.CutPrefix(reason, string(StageHold)+": "); ok {
			l[Loss{StageHold, rest}] += n
		} else {
			l[Loss{stage, reason}] += n
		}
	}
}

// Total is all of them together; it stops at the largest number there is.
func (l Losses) Total() uint64 {
	var sum uint64
	for _, n := range l {
		sum += min(n, ^uint64(0)-sum)
	}
	return sum
}

// Since returns how much more l holds than before did.
func (l Losses) Since(before Losses) Losses {
	out := Losses{}
	for why, n := range l {
		if n > before[why] {
			out[why] = n - before[why]
		}
	}
	return out
}

// CompiledTooMuch is a sensor's reason, of the stage capture, for texts that a program compiled beyond
// what is taken of one program in a second: a limit that is meant, of a program
// whose script was seen.
const CompiledTooMuch = "compiled: too much in a second"

// Missed returns the losses that cost something to see: those of a script or a
// finding. What is only less well described, the stage workload, is left out,
// what was seen and judged but not held, and CompiledTooMuch.
func (l Losses) Missed() Losses {
	out := maps.Clone(l)
	maps.DeleteFunc(out, func(why Loss, _ uint64) bool {
		return why.Stage == StageWorkload || why.Stage == StageHold || why.Reason == CompiledTooMuch
	})
	return out
}

// Of returns the losses of one stage.
func (l Losses) Of(stage Stage) Losses {
	out := maps.Clone(l)
	maps.DeleteFunc(out, func(why Loss, _ uint64) bool { return why.Stage != stage })
	return out
}

// Sorted returns the losses that are not zero, the largest first.
func (l Losses) Sorted() []Loss {
	var out []Loss
	for why, n := range l {
		if n > 0 {
			out = append(out, why)
		}
	}
	slices.SortFunc(out, func(a, b Loss) int {
		return cmp.Or(cmp.Compare(l[b], l[a]), cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}
