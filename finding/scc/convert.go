package scc

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	pb "cloud.google.com/go/securitycenter/apiv2/securitycenterpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"kingsnake/finding"
)

// V2 returns a finding as the resource of SCC's v2 API. A finding that comes
// without its script's contents, as lists of findings do, gives a script
// without contents.
func V2(f finding.Finding, cfg Config) *pb.Finding {
	if f.Category.Class() == finding.SCCError {
		return health(f, cfg)
	}
	parent := cfg.sourceName(cfg.ancestor()) + "/locations/global"
	m := &pb.Finding{
		Name:              parent + "/findings/" + segment(f.Name),
		CanonicalName:     cfg.sourceName(cfg.nearest()) + "/locations/global/findings/" + segment(f.Name),
		Parent:            parent,
		ParentDisplayName: "kingsnake",
		ResourceName:      placeOf(f, cfg).name,
		State:             stateOf(f.State),
		Category:          text(string(f.Category)),
		ModuleName:        moduleOf(f.Category),
		ExternalUri:       cfg.console(f.Name),
		SourceProperties:  properties(f, cfg),
		EventTime:         stamp(f.EventTime),
		CreateTime:        stamp(f.CreateTime),
		Severity:          severityOf(f.Severity),
		Mute:              pb.Finding_UNDEFINED,
		MuteInfo:          &pb.Finding_MuteInfo{StaticMute: &pb.Finding_MuteInfo_StaticMute{State: pb.Finding_UNDEFINED}},
		FindingClass:      pb.Finding_THREAT,
		Indicator:         indicator(f.Indicators),
		MitreAttack:       mitre(f),
		Processes:         processes(f),
		Description:       description(f),
		NextSteps:         nextSteps(f, cfg),
		Files:             files(f),
		Connections:       connections(f.Connections),
		Contacts:          contacts(f.Workload.Contacts),
	}
	if !f.Workload.Host() {
		m.Containers = []*pb.Container{container(f.Workload)}
	}
	m.Kubernetes = kubernetes(f, cfg)
	return m
}

// stamp returns t, or nil when t is zero or beyond what the form can hold.
func stamp(t time.Time) *timestamppb.Timestamp {
	if ts := timestamppb.New(t); !t.IsZero() && ts.IsValid() {
		return ts
	}
	return nil
}

func stateOf(s finding.State) pb.Finding_State {
	return pb.Finding_State(pb.Finding_State_value[string(s)])
}

func severityOf(s finding.Severity) pb.Finding_Severity {
	return pb.Finding_Severity(pb.Finding_Severity_value[string(s)])
}

// moduleOf is SCC's name for the detector behind a category.
func moduleOf(c finding.Category) string {
	switch c {
	case finding.MaliciousPython:
		return "MALICIOUS_PYTHON_EXECUTED"
	case finding.AddedBinary:
		return "ADDED_BINARY_EXECUTED"
	case finding.FilelessExecution:
		return "FILELESS_EXECUTION_DETECTION_MEMFD"
	case finding.ReverseShell:
		return "REVERSE_SHELL"
	case finding.UnexpectedChildShell:
		return "UNEXPECTED_CHILD_SHELL"
	}
	return ""
}

// connections are the finding's connections, with the ends that are known.
func connections(list []finding.Connection) []*pb.Connection {
	var out []*pb.Connection
	for _, c := range list {
		m := &pb.Connection{Protocol: pb.Connection_TCP}
		if a, err := netip.ParseAddrPort(c.Peer); err == nil {
			m.DestinationIp, m.DestinationPort = a.Addr().String(), int32(a.Port())
		}
		if a, err := netip.ParseAddrPort(c.Local); err == nil {
			m.SourceIp, m.SourcePort = a.Addr().String(), int32(a.Port())
		}
		out = append(out, m)
	}
	return out
}

func indicator(in finding.Indicators) *pb.Indicator {
	if len(in.IPs)+len(in.Domains)+len(in.URLs) == 0 {
		return nil
	}
	return &pb.Indicator{IpAddresses: texts(in.IPs), Domains: texts(in.Domains), Uris: texts(in.URLs)}
}

func texts(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, text(s))
	}
	return out
}

func encodeAll(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, Encode([]byte(s)))
	}
	return out
}

// processes are the process that ran the script and, after it, its ancestors,
// nearest first.
func processes(f finding.Finding) []*pb.Process {
	p := f.Process
	first := process(p)
	first.Binary = binary(p)
	if f.Script.Kind != finding.Program {
		first.Script = script(f.Script)
	}
	first.ParentPid = int64(p.PPID)
	first.UserId = int64(p.UID)
	first.EnvVariablesTruncated = p.EnvTruncated
	for _, e := range p.Env {
		name, value, _ := strings.Cut(e, "=")
		first.EnvVariables = append(first.EnvVariables, &pb.EnvironmentVariable{
			Name: Encode([]byte(name)), Val: Encode([]byte(value)),
		})
	}
	out := []*pb.Process{first}
	for _, parent := range p.Parents {
		m := process(parent)
		m.Binary = binary(parent)
		out = append(out, m)
	}
	return out
}

func process(p finding.Process) *pb.Process {
	return &pb.Process{
		Name: text(p.Comm), Pid: int64(p.PID), Args: encodeAll(p.Args), ArgumentsTruncated: p.ArgsTruncated,
	}
}

// binary is the interpreter's file. Its hash is of the whole file or missing.
func binary(p finding.Process) *pb.File {
	if p.Exe == "" {
		return nil
	}
	m := &pb.File{Path: Encode([]byte(p.Exe)), Size: p.ExeSize}
	if p.ExeSHA256 != "" {
		m.Sha256, m.HashedSize = text(p.ExeSHA256), p.ExeSize
	}
	return m
}

// script is the text that ran. It has a path only when it was a file.
func script(s finding.Script) *pb.File {
	m := &pb.File{Size: s.Size, Sha256: text(s.ContentsSHA256)}
	if s.Path != "" {
		m.Path = Encode([]byte(s.Path))
	}
	if len(s.Contents) > 0 || s.Size == 0 {
		sum := sha256.Sum256(s.Contents)
		m.Contents = Encode(s.Contents)
		m.Sha256, m.HashedSize = hex.EncodeToString(sum[:]), int64(len(s.Contents))
	}
	m.PartiallyHashed = m.Sha256 != s.SHA256 || s.Truncated
	return m
}

// maxHashed is how many bytes of a script a sensor hashes at most; it is
// capture.MaxText.
const maxHashed = 8 << 20

// files says what is known of the script's file as a whole, or of a program's
// binary.
// After it come the files that its processes opened for writing.
func files(f finding.Finding) []*pb.File {
	var out []*pb.File
	if m := ownFile(f); m != nil {
		out = append(out, m)
	}
	for _, e := range f.Timeline {
		if e.Act == "wrote" {
			out = append(out, &pb.File{Path: Encode([]byte(e.Target)), Operations: []*pb.File_FileOperation{operation(pb.File_FileOperation_WRITE)}})
		}
	}
	return out
}

func ownFile(f finding.Finding) *pb.File {
	s := f.Script
	if s.Path == "" {
		return nil
	}
	m := &pb.File{Path: Encode([]byte(s.Path)), Size: s.Size}
	switch {
	case s.Kind == finding.Program:
		if b := binary(f.Process); b != nil {
			m = b
		}
	case s.Lost == "":
		m.Sha256, m.HashedSize = text(s.SHA256), min(s.Size, maxHashed)
		m.PartiallyHashed = m.HashedSize < s.Size
	}
	if s.Origin.When == "runtime" {
		m.Operations = append(m.Operations, operation(pb.File_FileOperation_WRITE))
	}
	m.Operations = append(m.Operations, operation(pb.File_FileOperation_EXECUTE))
	return m
}

func operation(t pb.File_FileOperation_OperationType) *pb.File_FileOperation {
	return &pb.File_FileOperation{Type: t}
}

func container(w finding.Workload) *pb.Container {
	return &pb.Container{
		Name: text(w.ContainerName), Uri: text(w.Image), ImageId: text(w.ImageID), CreateTime: stamp(w.ContainerCreated),
	}
}

// kubernetes describes the pod, its owner and its node; nil where there is no
// Kubernetes.
func kubernetes(f finding.Finding, cfg Config) *pb.Kubernetes {
	w := f.Workload
	if w.PodName == "" && w.PodUID == "" {
		return nil
	}
	pod := &pb.Kubernetes_Pod{Ns: text(w.PodNamespace), Name: text(w.PodName)}
	for _, k := range slices.Sorted(maps.Keys(w.PodLabels)) {
		pod.Labels = append(pod.Labels, &pb.Label{Name: text(k), Value: text(w.PodLabels[k])})
	}
	if !w.Host() {
		pod.Containers = []*pb.Container{container(w)}
	}
	m := &pb.Kubernetes{Pods: []*pb.Kubernetes_Pod{pod}}
	if w.Node != "" {
		m.Nodes = []*pb.Kubernetes_Node{{Name: nodeName(f, cfg)}}
	}
	if w.OwnerName != "" {
		m.Objects = []*pb.Kubernetes_Object{{
			Group: groupOf(w), Kind: text(w.OwnerKind), Ns: text(w.PodNamespace), Name: text(w.OwnerName),
		}}
	}
	for _, o := range w.Owners {
		if o.Kind != w.OwnerKind || o.Name != w.OwnerName {
			m.Objects = append(m.Objects, &pb.Kubernetes_Object{
				Group: text(o.Group), Kind: text(o.Kind), Ns: text(w.PodNamespace), Name: text(o.Name),
			})
		}
	}
	return m
}

// contacts are those that SCC has a place for, which are e-mail addresses. Its
// keys are kinds of contacts; who runs a workload is the technical one.
func contacts(all []finding.Contact) map[string]*pb.ContactDetails {
	var list []*pb.Contact
	for _, c := range all {
		address, err := mail.ParseAddress(c.Value)
		if err == nil && utf8.ValidString(c.Value) {
			list = append(list, &pb.Contact{Email: address.Address})
		}
	}
	if len(list) == 0 {
		return nil
	}
	return map[string]*pb.ContactDetails{"technical": {Contacts: list}}
}

// groupOf is the API group of the owner. Findings of older sensors leave it out,
// but not for kinds that are well known.
func groupOf(w finding.Workload) string {
	if w.OwnerGroup != "" {
		return text(w.OwnerGroup)
	}
	switch w.OwnerKind {
	case "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet":
		return "apps"
	case "Job", "CronJob":
		return "batch"
	}
	return ""
}
