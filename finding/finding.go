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
)

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

	// Sensor is the name of the sensor that saw it.
	Sensor string `json:"sensor"`
}

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
	Truncated bool   `json:"truncated,omitempty"` // Contents is shorter than the script
	Redacted  int    `json:"redacted,omitempty"`  // secrets replaced in Contents
	Lost      string `json:"lost,omitempty"`      // why captured bytes are missing

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

	PodNamespace string            `json:"pod_namespace,omitempty"`
	PodName      string            `json:"pod_name,omitempty"`
	PodUID       string            `json:"pod_uid,omitempty"`
	PodLabels    map[string]string `json:"pod_labels,omitempty"`
	OwnerKind    string            `json:"owner_kind,omitempty"`
	OwnerName    string            `json:"owner_name,omitempty"`

	Node    string `json:"node"`
	Cluster string `json:"cluster,omitempty"`

	Unresolved map[string]string `json:"unresolved,omitempty"` // field: why
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

// OccurrenceOf derives the identity of one sighting.
func OccurrenceOf(node string, pid int, start time.Time, kind, sha256hex string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %d %d %q %q", node, pid, start.UnixNano(), kind, sha256hex))
	return hex.EncodeToString(sum[:16])
}

// SensorStatus is a sensor's heartbeat: what it saw and lost since it started.
type SensorStatus struct {
	Name    string    `json:"name"` // unique among sensors: the node's name
	Version string    `json:"version"`
	Model   string    `json:"model"` // hash of the model in use
	Started time.Time `json:"started"`
	Time    time.Time `json:"time"` // of this heartbeat

	// In plain words.
	ModelFrom    string `json:"model_from,omitempty"`    // where the model came from
	ModelProblem string `json:"model_problem,omitempty"` // why another one, that was to be used, is not
	Shadow       string `json:"shadow,omitempty"`        // which model judges beside it, and what it says otherwise

	Watching string `json:"watching"`           // in plain words what is watched
	Degraded string `json:"degraded,omitempty"` // in plain words what is not, and why

	Scripts   uint64            `json:"scripts"` // judged
	Findings  uint64            `json:"findings"`
	Lost      map[string]uint64 `json:"lost,omitempty"` // by stage and reason: "capture: ring full"
	QueuedOut int               `json:"queued_out"`     // findings not yet accepted by the server
}
