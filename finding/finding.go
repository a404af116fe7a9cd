// Package finding holds what is reported: the Finding type, the only thing that
// is stored, shown, pushed and acted upon.
//
// A Finding is flat and self-contained: it never points into another stage.
// Field meanings follow Security Command Center (SCC); the wire forms of SCC
// live in kingsnake/finding/scc alone. The JSON form of this type is our own:
// what a sensor pushes to a server.
//
// Every string in a Finding may have been written by an attacker. Secrets of
// known shape have been replaced (kingsnake/finding/redact) before a Finding is
// built.
package finding

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Category names a kind of finding, with SCC's display names.
type Category string

// The categories.
const (
	MaliciousPython Category = "Execution: Malicious Python executed"

	// The companions are about a program that was executed, not about a script.
	AddedBinary          Category = "Added Binary Executed"
	FilelessExecution    Category = "Execution: Fileless Execution in /memfd:"
	ReverseShell         Category = "Reverse Shell"
	UnexpectedChildShell Category = "Unexpected Child Shell"
)

// Program is the script kind of a finding that is about a program. Its Script
// has the binary's path, size and origin, no contents, and ProgramDigest in the
// place of a digest.
const Program = "program"

// Companion reports whether findings of category c are about a program.
func (c Category) Companion() bool {
	switch c {
	case AddedBinary, FilelessExecution, ReverseShell, UnexpectedChildShell:
		return true
	}
	return false
}

// Known reports whether c is one of the categories above.
func (c Category) Known() bool { return c == MaliciousPython || c.Companion() }

// Severity is how bad a finding is.
type Severity string

// The severities, in rising order.
const (
	Low      Severity = "LOW"
	Medium   Severity = "MEDIUM"
	High     Severity = "HIGH"
	Critical Severity = "CRITICAL"
)

// Rank orders severities: a higher one is worse, an unknown one is 0.
func (s Severity) Rank() int {
	switch s {
	case Low:
		return 1
	case Medium:
		return 2
	case High:
		return 3
	case Critical:
		return 4
	default:
		return 0
	}
}

// State says whether a finding still stands.
type State string

// The states. A finding becomes Inactive when a person allows its script.
const (
	Active   State = "ACTIVE"
	Inactive State = "INACTIVE"
)

// Limits on what one Finding keeps. What is cut is marked.
const (
	MaxContents   = 256 << 10 // bytes of script text
	MaxLayers     = 32        // layers kept
	MaxLayerText  = 64 << 10  // bytes of one layer
	MaxArgs       = 64 << 10  // bytes of arguments, all together
	MaxEnv        = 64 << 10  // bytes of environment, all together
	MaxParents    = 16
	MaxReasons    = 16
	MaxIndicators = 64
	MaxOwners     = 8
	MaxContacts   = 8

	MaxConnections = 32
	MaxTimeline    = 128
)

// Finding is one reported fact: this script ran in this workload.
type Finding struct {
	// Name identifies the finding: 32 lower-case hexadecimal digits from Name.
	// Findings of the same name are the same finding seen again.
	Name     string   `json:"name"`
	Category Category `json:"category"`
	Severity Severity `json:"severity"`
	State    State    `json:"state"`

	// Occurrence identifies this one sighting (node, process, start time,
	// script). A store that is given the same occurrence twice counts it once.
	Occurrence string `json:"occurrence"`

	// EventTime is when the script ran, for a stored finding the last time.
	// FirstTime and Count are kept by the store.
	EventTime  time.Time `json:"event_time"`
	FirstTime  time.Time `json:"first_time"`
	CreateTime time.Time `json:"create_time"` // when the store first wrote it
	Count      int64     `json:"count"`

	Script   Script   `json:"script"`
	Verdict  Verdict  `json:"verdict"`
	Process  Process  `json:"process"`
	Workload Workload `json:"workload"`

	// Indicators are what can be looked for elsewhere, seen in the layers.
	Indicators Indicators `json:"indicators"`

	// Connections are those the finding is about, and those that were made after
	// it while its processes were followed.
	Connections []Connection `json:"connections,omitempty"`

	// Timeline is what the finding's process, and those that came of it, did
	// while they were followed after the verdict, in the order in which it was
	// first done. A store keeps the longest that comes with the sighting whose
	// evidence it keeps.
	Timeline        []Event `json:"timeline,omitempty"`
	TimelineOmitted int     `json:"timeline_omitted,omitempty"` // beyond MaxTimeline, or not kept before the verdict

	// Action is what the sensor did at once; zero when it only reported. A store
	// keeps that of the sighting that it keeps the process of.
	Action Action `json:"action,omitzero"`

	// Sensor is the name of the sensor that saw it, or that it is about.
	Sensor string `json:"sensor"`

	// Health is what is wrong with the sensor, in a finding of class SCCError:
	// such a finding has no script, verdict or process.
	Health Health `json:"health,omitzero"`
}

// Action is what a sensor did to a process that it had held until the script
// was judged.
type Action struct {
	What string        `json:"what"` // one of the constants below
	Held time.Duration `json:"held"` // for how long it was held, in nanoseconds
}

// What a sensor does to a process that is held.
const (
	Killed   = "killed"   // before anything of its script ran
	Released = "released" // because the script was not malicious
	TooLate  = "too late" // the process was let go, or gone, before there was a verdict
)

// Script is the evidence: the text, its hashes and where it came from.
type Script struct {
	Kind string `json:"kind"` // a capture.Kind
	Path string `json:"path,omitempty"`

	// Contents is a prefix of the script's text after redaction, at most
	// MaxContents bytes, cut on a character boundary when the text is UTF-8.
	Contents       []byte `json:"contents"`
	ContentsSHA256 string `json:"contents_sha256"` // of Contents

	// SHA256 is the digest of the captured bytes as the interpreter read them,
	// before redaction; Size the whole script's size.
	SHA256    string `json:"sha256"`
	Size      int64  `json:"size"`
	Truncated bool   `json:"truncated,omitempty"`  // Contents is shorter than the script
	Redacted  int    `json:"redacted,omitempty"`   // secrets replaced in Contents
	Lost      string `json:"lost,omitempty"`       // why captured bytes are missing
	MaybeData bool   `json:"maybe_data,omitempty"` // it may have been read only, as a scanner does, and not imported

	// Indirect says where the text was taken from when it was captured without BPF
	// and is not what was copied as the interpreter read it: see capture.Script. It
	// may differ from what ran.
	Indirect string `json:"indirect,omitempty"`

	Parent string `json:"parent,omitempty"` // digest of the script that imported or compiled it

	// CompiledBy is the script that compiled this text while it ran; zero for
	// another kind of script, and when that script was not seen. Its text is
	// the last of Layers, if there is room.
	CompiledBy Compiler `json:"compiled_by,omitzero"`

	Origin Origin `json:"origin"`

	// Layers are the texts peeled out of the script, the script itself left
	// out, in the order of the verdict's layer numbers from 1.
	Layers        []Layer `json:"layers,omitempty"`
	LayersOmitted int     `json:"layers_omitted,omitempty"` // beyond MaxLayers
}

// Origin answers: did this script come with the image, or was it written at run
// time?
type Origin struct {
	// When is "image", "runtime", "volume", "memory", "argument" (-c), "stream"
	// (standard input) or "unknown".
	When string `json:"when"`
	// Why says on what grounds, in words.
	Why     string    `json:"why"`
	Changed time.Time `json:"changed,omitzero"` // the file's last change
}

// Compiler is a script that compiled another text while it ran: the one that
// was started.
type Compiler struct {
	Kind   string `json:"kind"` // a capture.Kind
	Path   string `json:"path,omitempty"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// CompilerLayer is the Transform of the layer that is the text of CompiledBy.
const CompilerLayer = "the script that compiled it"

// Layer is a text peeled out of a script, or compiled by it at run time.
type Layer struct {
	Transform string `json:"transform"` // "base64", "zlib", …
	Parent    int    `json:"parent"`    // 0 is the script itself
	Text      []byte `json:"text"`      // redacted, at most MaxLayerText bytes
	Size      int    `json:"size"`      // before cutting
}

// Verdict is what the model said.
type Verdict struct {
	Label   string   `json:"label"` // "malicious" or "suspicious"
	Score   float64  `json:"score"` // 0..1, calibrated
	Reasons []Reason `json:"reasons"`
	Model   string   `json:"model"` // the model's hash
}

// Reason is one part of why, heaviest first.
type Reason struct {
	Text      string  `json:"text"`
	Technique string  `json:"technique,omitempty"` // ATT&CK id
	Weight    float64 `json:"weight"`
	Spans     []Span  `json:"spans,omitempty"`
}

// Span is bytes [Start, End) of layer Layer (0 is Contents), and the lines of
// the script, counted from 1, that they came from.
type Span struct {
	Layer   int `json:"layer"`
	Start   int `json:"start"`
	End     int `json:"end"`
	Line    int `json:"line"`
	EndLine int `json:"end_line"`
}

// Connection is one connection of a process. Ends are "ADDRESS:PORT", "" where
// not known.
type Connection struct {
	Local string `json:"local,omitempty"`
	Peer  string `json:"peer"`
}

// Event is one thing that a process did, see kingsnake/capture.Activity for the
// meanings.
type Event struct {
	Time   time.Time `json:"time"` // of the first time
	PID    int       `json:"pid"`
	Exe    string    `json:"exe,omitempty"` // the process's binary, "" when not known
	Act    string    `json:"act"`           // "forked", "executed", "connected", "wrote" or "uncaptured"
	Target string    `json:"target"`
	Args   []string  `json:"args,omitempty"`
	Count  int64     `json:"count"` // how often it did just that
}

// Followed is how much was written into a finding's timeline: of two forms of
// one sighting the one with more is the newer.
func (f Finding) Followed() int64 {
	n := int64(f.TimelineOmitted)
	for _, e := range f.Timeline {
		n += e.Count
	}
	return n
}

// Process is the process that ran the script.
type Process struct {
	PID           int       `json:"pid"`
	PPID          int       `json:"ppid"`
	Start         time.Time `json:"start,omitzero"`
	UID           uint32    `json:"uid"`
	Comm          string    `json:"comm"`
	Exe           string    `json:"exe"`
	Cwd           string    `json:"cwd,omitempty"`
	Args          []string  `json:"args"`
	ArgsTruncated bool      `json:"args_truncated,omitempty"`
	Env           []string  `json:"env,omitempty"` // "NAME=value"
	EnvTruncated  bool      `json:"env_truncated,omitempty"`

	// ExeSHA256 and ExeSize describe the interpreter's binary, where it could
	// be read; ExeUnread says why not.
	ExeSHA256 string `json:"exe_sha256,omitempty"`
	ExeSize   int64  `json:"exe_size,omitempty"`
	ExeUnread string `json:"exe_unread,omitempty"`

	Parents []Process `json:"parents,omitempty"` // nearest first
}

// Workload is where the script ran; see kingsnake/workload for the meanings.
type Workload struct {
	ContainerID      string    `json:"container_id,omitempty"`
	ContainerName    string    `json:"container_name,omitempty"`
	ContainerCreated time.Time `json:"container_created,omitzero"`
	Image            string    `json:"image,omitempty"`
	ImageID          string    `json:"image_id,omitempty"`
	Runtime          string    `json:"runtime,omitempty"`
	ReadOnlyRoot     string    `json:"read_only_root,omitempty"` // "yes", "no", ""
	ContainerKind    string    `json:"container_kind,omitempty"` // "init", "sidecar", "ephemeral", ""

	PodNamespace   string            `json:"pod_namespace,omitempty"`
	PodName        string            `json:"pod_name,omitempty"`
	PodUID         string            `json:"pod_uid,omitempty"`
	PodLabels      map[string]string `json:"pod_labels,omitempty"`
	ServiceAccount string            `json:"service_account,omitempty"`
	StaticPod      bool              `json:"static_pod,omitempty"`
	Contacts       []Contact         `json:"contacts,omitempty"`

	// The owner that people know; Owners is the whole chain, the pod's own
	// controller first.
	OwnerGroup    string  `json:"owner_group,omitempty"`
	OwnerKind     string  `json:"owner_kind,omitempty"`
	OwnerName     string  `json:"owner_name,omitempty"`
	OwnerInferred bool    `json:"owner_inferred,omitempty"` // read off the pod's labels, not asked of the API
	Owners        []Owner `json:"owners,omitempty"`

	Node       string `json:"node"`
	Cluster    string `json:"cluster,omitempty"`
	ClusterUID string `json:"cluster_uid,omitempty"`
	Cloud      Cloud  `json:"cloud,omitzero"`

	Unresolved map[string]string `json:"unresolved,omitempty"` // field: why
}

// Owner is one object in a pod's chain of owners.
type Owner struct {
	Group string `json:"group,omitempty"`
	Kind  string `json:"kind"`
	Name  string `json:"name"`
}

// Contact is an annotation that says whom to ask, and what it is written on.
type Contact struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	Of    string `json:"of"` // "pod", or an owner's kind
}

// Cloud is what a node's cloud calls it, where that is known.
type Cloud struct {
	Provider   string `json:"provider,omitempty"`
	Project    string `json:"project,omitempty"`
	Zone       string `json:"zone,omitempty"`
	InstanceID string `json:"instance_id,omitempty"`
	Location   string `json:"location,omitempty"` // of the cluster
}

// Host reports whether the script ran outside any container.
func (w Workload) Host() bool { return w.ContainerID == "" }

// Key names the workload for identity and for "here" in allow rules: the pod's
// owner, else the pod, else the image, else the host and the executable.
func (w Workload) Key(exe string) string {
	switch {
	case w.OwnerName != "":
		return fmt.Sprintf("owner %q %q %q %q", w.Cluster, w.PodNamespace, w.OwnerKind, w.OwnerName)
	case w.PodName != "":
		return fmt.Sprintf("pod %q %q %q %q", w.Cluster, w.PodNamespace, w.PodName, w.ContainerName)
	case w.Image != "":
		return fmt.Sprintf("image %q", w.Image)
	case w.ContainerID != "":
		return fmt.Sprintf("container %q", w.ContainerID)
	default:
		return fmt.Sprintf("host %q %q", w.Node, exe)
	}
}

// NameOf derives a finding's name from what makes it the same finding: the
// script's digest and kind, the category and the workload's Key.
func NameOf(c Category, kind, sha256hex, workloadKey string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", c, kind, sha256hex, workloadKey))
	return hex.EncodeToString(sum[:16])
}

// ProgramDigest is what stands in a program's finding where a script's digest
// does: it tells the program, by its path, and the one that started it. The
// binary itself may be gone before it can be read, and may have another content
// each time. The category is in it, so that allowing one thing a program does
// allows no other.
func ProgramDigest(c Category, exe, starter string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", c, exe, starter))
	return hex.EncodeToString(sum[:])
}

// OccurrenceOf derives the identity of one sighting.
func OccurrenceOf(node string, pid int, start time.Time, kind, sha256hex string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %d %d %q %q", node, pid, start.UnixNano(), kind, sha256hex))
	return hex.EncodeToString(sum[:16])
}
