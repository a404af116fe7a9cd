package api

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"kingsnake/finding"
	"kingsnake/store"
)

// Limits on what finding itself does not bound.
const (
	maxKey     = 8 << 10  // bytes of a text findings are found by
	maxText    = 64 << 10 // of any other text
	maxEntries = 1024     // of a map
	maxSpans   = 4096     // of a reason
	maxAhead   = 24 * time.Hour
)

// firstTime is before any script this program saw, and within what every
// store can keep.
var firstTime = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)

// kinds are the script kinds of kingsnake/capture, which the server does not
// know otherwise.
var kinds = []string{"file", "c", "stdin", "module", "package", "zipapp", "pyc", "bundle", "import", "compiled"}

// check says what is wrong with a pushed finding, and what to do about it; nil
// when it may be stored.
func check(f finding.Finding, now time.Time) error {
	for _, part := range []func(finding.Finding, time.Time) error{checkIdentity, checkScript, checkVerdict, checkProcess, checkWorkload, checkTimes} {
		if err := part(f, now); err != nil {
			return err
		}
	}
	return nil
}

func checkIdentity(f finding.Finding, _ time.Time) error {
	switch {
	case !f.Category.Known():
		return fmt.Errorf("category %q is not known here; update the server", short(string(f.Category)))
	case f.Severity.Rank() == 0:
		return fmt.Errorf("severity %q: want LOW, MEDIUM, HIGH or CRITICAL", short(string(f.Severity)))
	case f.Category.Companion() != (f.Script.Kind == finding.Program):
		return fmt.Errorf("script.kind %q does not belong to category %q", short(f.Script.Kind), f.Category)
	case f.Script.Kind != finding.Program && !slices.Contains(kinds, f.Script.Kind):
		return fmt.Errorf("script.kind %q is not known here; update the server", short(f.Script.Kind))
	case !isHex(f.Script.SHA256, 2*sha256.Size):
		return fmt.Errorf("script.sha256: want %d lower-case hexadecimal digits", 2*sha256.Size)
	case !isHex(f.Occurrence, 32):
		return fmt.Errorf("occurrence: want 32 lower-case hexadecimal digits")
	}
	if want := finding.NameOf(f.Category, f.Script.Kind, f.Script.SHA256, f.Workload.Key(f.Process.Exe)); f.Name != want {
		return fmt.Errorf("name %q is not that of this script and workload, %s; do the sensor and the server have the same version?", short(f.Name), want)
	}
	return nil
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

func checkScript(f finding.Finding, _ time.Time) error {
	s := f.Script
	sum := sha256.Sum256(s.Contents)
	switch {
	case len(s.Contents) > finding.MaxContents:
		return tooLong("script.contents", len(s.Contents), finding.MaxContents)
	case s.ContentsSHA256 != hex.EncodeToString(sum[:]):
		return fmt.Errorf("script.contents_sha256 is not that of script.contents; the text was damaged on the way")
	case len(s.Layers) > finding.MaxLayers:
		return tooLong("script.layers", len(s.Layers), finding.MaxLayers)
	case s.Size < 0 || s.Redacted < 0 || s.LayersOmitted < 0:
		return fmt.Errorf("script.size, redacted and layers_omitted cannot be negative")
	case s.Parent != "" && !isHex(s.Parent, 2*sha256.Size):
		return fmt.Errorf("script.parent: want %d lower-case hexadecimal digits or nothing", 2*sha256.Size)
	}
	if by := s.CompiledBy; by != (finding.Compiler{}) {
		if !slices.Contains(kinds, by.Kind) || !isHex(by.SHA256, 2*sha256.Size) || by.Size < 0 {
			return fmt.Errorf("script.compiled_by: want a kind, a digest and a size that is not negative")
		}
		if err := bounded(maxKey, "script.compiled_by.path", by.Path); err != nil {
			return err
		}
	}
	for i, l := range s.Layers {
		switch {
		case len(l.Text) > finding.MaxLayerText:
			return tooLong(fmt.Sprintf("script.layers[%d].text", i), len(l.Text), finding.MaxLayerText)
		case l.Parent < 0 || l.Size < 0:
			return fmt.Errorf("script.layers[%d]: parent and size cannot be negative", i)
		}
		if err := bounded(maxKey, "script.layers.transform", l.Transform); err != nil {
			return err
		}
	}
	return firstError(
		bounded(maxKey, "script.path", s.Path),
		bounded(maxText, "script.lost", s.Lost),
		bounded(maxText, "script.origin.when", s.Origin.When),
		bounded(maxText, "script.origin.why", s.Origin.Why),
	)
}

func checkVerdict(f finding.Finding, _ time.Time) error {
	v := f.Verdict
	switch {
	case v.Label != "malicious" && v.Label != "suspicious":
		return fmt.Errorf("verdict.label %q: want malicious or suspicious", short(v.Label))
	case v.Score < 0 || v.Score > 1:
		return fmt.Errorf("verdict.score %v: want 0 to 1", v.Score)
	case len(v.Reasons) > finding.MaxReasons:
		return tooLong("verdict.reasons", len(v.Reasons), finding.MaxReasons)
	}
	for i, r := range v.Reasons {
		if len(r.Spans) > maxSpans {
			return tooLong(fmt.Sprintf("verdict.reasons[%d].spans", i), len(r.Spans), maxSpans)
		}
		for _, sp := range r.Spans {
			if sp.Layer < 0 || sp.Start < 0 || sp.End < sp.Start || sp.Line < 0 || sp.EndLine < 0 {
				return fmt.Errorf("verdict.reasons[%d]: a span is negative or ends before it starts", i)
			}
		}
		if err := firstError(bounded(maxText, "verdict.reasons.text", r.Text), bounded(maxKey, "verdict.reasons.technique", r.Technique)); err != nil {
			return err
		}
	}
	if len(f.Connections) > finding.MaxConnections {
		return tooLong("connections", len(f.Connections), finding.MaxConnections)
	}
	for _, c := range f.Connections {
		if err := bounded(maxKey, "connections", c.Local, c.Peer); err != nil {
			return err
		}
	}
	if err := checkTimeline(f); err != nil {
		return err
	}
	for _, kind := range finding.Kinds {
		list := f.Indicators.Of(kind)
		if len(list) > finding.MaxIndicators {
			return tooLong("indicators", len(list), finding.MaxIndicators)
		}
		if err := bounded(maxKey, "indicators", list...); err != nil {
			return err
		}
	}
	return bounded(maxKey, "verdict.model", v.Model)
}

func checkTimeline(f finding.Finding) error {
	switch {
	case len(f.Timeline) > finding.MaxTimeline:
		return tooLong("timeline", len(f.Timeline), finding.MaxTimeline)
	case f.TimelineOmitted < 0:
		return fmt.Errorf("timeline_omitted cannot be negative")
	}
	for _, e := range f.Timeline {
		if e.Count < 0 || e.PID < 0 {
			return fmt.Errorf("timeline: pid and count cannot be negative")
		}
		if err := bounded(maxKey, "timeline", append([]string{e.Exe, e.Act, e.Target}, e.Args...)...); err != nil {
			return err
		}
		if len(e.Args) > maxEntries {
			return tooLong("timeline.args", len(e.Args), maxEntries)
		}
	}
	return nil
}

func checkProcess(f finding.Finding, _ time.Time) error {
	if n := len(f.Process.Parents); n > finding.MaxParents {
		return tooLong("process.parents", n, finding.MaxParents)
	}
	for _, p := range append([]finding.Process{f.Process}, f.Process.Parents...) {
		for name, list := range map[string][]string{"process.args": p.Args, "process.env": p.Env} {
			size := 0
			for _, s := range list {
				size += len(s)
			}
			if limit := max(finding.MaxArgs, finding.MaxEnv); size > limit {
				return tooLong(name, size, limit)
			}
		}
		if p.PID < 0 || p.PPID < 0 || p.ExeSize < 0 {
			return fmt.Errorf("process: pid, ppid and exe_size cannot be negative")
		}
		if err := firstError(
			bounded(maxKey, "process.comm", p.Comm), bounded(maxKey, "process.exe", p.Exe), bounded(maxKey, "process.cwd", p.Cwd),
			bounded(maxKey, "process.exe_sha256", p.ExeSHA256), bounded(maxText, "process.exe_unread", p.ExeUnread),
		); err != nil {
			return err
		}
	}
	for _, p := range f.Process.Parents {
		if len(p.Parents) > 0 {
			return fmt.Errorf("process.parents: a parent has no parents of its own; all of them belong in one list")
		}
	}
	return nil
}

func checkWorkload(f finding.Finding, _ time.Time) error {
	w := f.Workload
	for name, m := range map[string]map[string]string{"workload.pod_labels": w.PodLabels, "workload.unresolved": w.Unresolved} {
		if len(m) > maxEntries {
			return tooLong(name, len(m), maxEntries)
		}
		for k, v := range m {
			if err := bounded(maxKey, name, k, v); err != nil {
				return err
			}
		}
	}
	if len(f.Sensor) > store.MaxName {
		return tooLong("sensor", len(f.Sensor), store.MaxName)
	}
	if n := len(w.Owners); n > finding.MaxOwners {
		return tooLong("workload.owners", n, finding.MaxOwners)
	}
	if n := len(w.Contacts); n > finding.MaxContacts {
		return tooLong("workload.contacts", n, finding.MaxContacts)
	}
	values := []string{
		w.ContainerID, w.ContainerName, w.Image, w.ImageID, w.Runtime, w.ReadOnlyRoot, w.ContainerKind,
		w.PodNamespace, w.PodName, w.PodUID, w.ServiceAccount, w.OwnerGroup, w.OwnerKind, w.OwnerName,
		w.Node, w.Cluster, w.ClusterUID, w.Cloud.Provider, w.Cloud.Project, w.Cloud.Zone, w.Cloud.InstanceID, w.Cloud.Location,
	}
	for _, o := range w.Owners {
		values = append(values, o.Group, o.Kind, o.Name)
	}
	for _, c := range w.Contacts {
		values = append(values, c.Key, c.Value, c.Of)
	}
	return bounded(maxKey, "workload", values...)
}

func checkTimes(f finding.Finding, now time.Time) error {
	if f.EventTime.Before(firstTime) || f.EventTime.After(now.Add(maxAhead)) {
		return fmt.Errorf("event_time %v is before 1970 or more than a day ahead of the server; set the node's clock", f.EventTime)
	}
	return nil
}

func checkSensor(s finding.SensorStatus, now time.Time) error {
	switch {
	case s.Name == "":
		return fmt.Errorf("name: it is empty; a sensor is named after its node")
	case len(s.Name) > store.MaxName:
		return tooLong("name", len(s.Name), store.MaxName)
	case s.Time.Before(firstTime) || s.Time.After(now.Add(maxAhead)):
		return fmt.Errorf("time %v is before 1970 or more than a day ahead of the server; set the node's clock", s.Time)
	case len(s.Lost) > maxEntries:
		return tooLong("lost", len(s.Lost), maxEntries)
	case s.QueuedOut < 0:
		return fmt.Errorf("queued_out cannot be negative")
	}
	return nil // the rest is bounded by the size of a heartbeat
}

func bounded(limit int, name string, values ...string) error {
	for _, s := range values {
		if len(s) > limit {
			return tooLong(name, len(s), limit)
		}
	}
	return nil
}

func tooLong(name string, got, limit int) error {
	return fmt.Errorf("%s: %d, more than the %d a finding may have", name, got, limit)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
