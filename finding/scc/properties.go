package scc

import (
	"encoding/hex"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"kingsnake/finding"
)

// propertyMap builds sourceProperties. Empty values are left out. SCC allows
// letters, digits and underscores in keys, a letter first.
type propertyMap map[string]*structpb.Value

func (p propertyMap) text(key, s string) {
	if s != "" {
		p[key] = structpb.NewStringValue(text(s))
	}
}

func (p propertyMap) number(key string, n float64) { p[key] = number(n) }

// number is n as a JSON value; what JSON has no number for becomes text.
func number(n float64) *structpb.Value {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return structpb.NewStringValue(strconv.FormatFloat(n, 'g', -1, 64))
	}
	return structpb.NewNumberValue(n)
}

func (p propertyMap) time(key string, t time.Time) {
	if !t.IsZero() {
		p[key] = structpb.NewStringValue(t.UTC().Format(time.RFC3339Nano))
	}
}

func (p propertyMap) list(key string, values []*structpb.Value) {
	if len(values) > 0 {
		p[key] = structpb.NewListValue(&structpb.ListValue{Values: values})
	}
}

func (p propertyMap) texts(key string, list []string) {
	var values []*structpb.Value
	for _, s := range list {
		values = append(values, structpb.NewStringValue(text(s)))
	}
	p.list(key, values)
}

func object(fields map[string]*structpb.Value) *structpb.Value {
	return structpb.NewStructValue(&structpb.Struct{Fields: fields})
}

// properties are the finding's sourceProperties: those that SCC's own detector
// gives, by its names, and ours.
func properties(f finding.Finding, cfg Config) map[string]*structpb.Value {
	p := propertyMap{}
	w := f.Workload
	p.text("Pod_Namespace", w.PodNamespace)
	p.text("Pod_Name", w.PodName)
	p.text("Container_Name", w.ContainerName)
	p.text("Container_Image_Uri", w.Image)
	p.text("VM_Instance_Name", w.Node)
	p.text("Process_Binary_Fullpath", f.Process.Exe)
	p.texts("Environment_Variables", f.Process.Env)
	p.text("description", description(f))

	p.text("Container_Id", w.ContainerID)
	p.text("Container_Image_Id", w.ImageID)
	p.text("Container_Runtime", w.Runtime)
	p.text("Container_Read_Only_Root", w.ReadOnlyRoot)
	p.text("Pod_Uid", w.PodUID)
	p.text("Container_Kind", w.ContainerKind)
	workloadProperties(p, w)
	p.text("Cluster_Name", clusterOf(f, cfg))
	p.text("Sensor", f.Sensor)

	processProperties(p, f.Process)
	if f.Script.Kind != finding.Program {
		scriptProperties(p, f.Script)
	}
	verdictProperties(p, f.Verdict)
	timelineProperties(p, f)
	p.number("Occurrence_Count", float64(f.Count))
	p.time("First_Time", f.FirstTime)
	p.unresolved(f, cfg)
	p.context(f, cfg)
	return p
}

func workloadProperties(p propertyMap, w finding.Workload) {
	p.text("Pod_Service_Account", w.ServiceAccount)
	p.text("Owner_Kind", w.OwnerKind)
	p.text("Owner_Name", w.OwnerName)
	var owners []string
	for _, o := range w.Owners {
		owners = append(owners, o.Kind+"/"+o.Name)
	}
	p.texts("Owner_Chain", owners)
	var contacts []*structpb.Value
	for _, c := range w.Contacts {
		contacts = append(contacts, object(map[string]*structpb.Value{
			"annotation": structpb.NewStringValue(text(c.Key)), "value": structpb.NewStringValue(text(c.Value)), "of": structpb.NewStringValue(text(c.Of)),
		}))
	}
	p.list("Contacts", contacts)
	p.text("Cluster_Uid", w.ClusterUID)
	p.text("Cloud_Provider", w.Cloud.Provider)
	p.text("Cloud_Zone", w.Cloud.Zone)
	p.text("VM_Instance_Id", w.Cloud.InstanceID)
}

func processProperties(p propertyMap, pr finding.Process) {
	p.texts("Process_Arguments", pr.Args)
	p.text("Process_Working_Directory", pr.Cwd)
	p.time("Process_Creation_Timestamp", pr.Start)
	p.text("Process_Binary_SHA256", pr.ExeSHA256)
	p.text("Process_Binary_Unread", pr.ExeUnread)
}

func scriptProperties(p propertyMap, s finding.Script) {
	p.text("Script_Kind", s.Kind)
	p.text("Script_Filename", s.Path)
	p.text("Script_SHA256", s.SHA256)
	p.text("Script_Contents_SHA256", s.ContentsSHA256)
	p.number("Script_Size", float64(s.Size))
	p["Script_Truncated"] = structpb.NewBoolValue(s.Truncated)
	p.number("Script_Redactions", float64(s.Redacted))
	p.text("Script_Bytes_Lost", s.Lost)
	if s.MaybeData {
		p["Script_Maybe_Data"] = structpb.NewBoolValue(true)
	}
	p.text("Script_Taken_From", s.Indirect)
	p.text("Script_Parent_SHA256", s.Parent)
	p.text("Script_Compiled_By", s.CompiledBy.Path)
	p.text("Script_Origin", s.Origin.When)
	p.text("Script_Origin_Reason", s.Origin.Why)
	p.time("Script_Origin_Changed", s.Origin.Changed)
	var layers []*structpb.Value
	for _, l := range s.Layers {
		layers = append(layers, object(map[string]*structpb.Value{
			"transform": structpb.NewStringValue(text(l.Transform)),
			"parent":    structpb.NewNumberValue(float64(l.Parent)),
			"size":      structpb.NewNumberValue(float64(l.Size)),
		}))
	}
	p.list("Script_Layers", layers)
	if s.LayersOmitted > 0 {
		p.number("Script_Layers_Omitted", float64(s.LayersOmitted))
	}
}

func verdictProperties(p propertyMap, v finding.Verdict) {
	p.text("Verdict", v.Label)
	if v.Model != "" {
		p.number("Verdict_Score", v.Score)
	}
	p.text("Verdict_Model", v.Model)
	var reasons []*structpb.Value
	for _, r := range v.Reasons {
		fields := map[string]*structpb.Value{
			"text":   structpb.NewStringValue(text(r.Text)),
			"weight": number(r.Weight),
		}
		if r.Technique != "" {
			fields["technique"] = structpb.NewStringValue(text(r.Technique))
		}
		var lines []*structpb.Value
		for _, s := range r.Spans {
			lines = append(lines, object(map[string]*structpb.Value{
				"layer": structpb.NewNumberValue(float64(s.Layer)),
				"from":  structpb.NewNumberValue(float64(s.Line)),
				"to":    structpb.NewNumberValue(float64(s.EndLine)),
			}))
		}
		if len(lines) > 0 {
			fields["lines"] = structpb.NewListValue(&structpb.ListValue{Values: lines})
		}
		reasons = append(reasons, object(fields))
	}
	p.list("Verdict_Reasons", reasons)
}

// timelineProperties are what the finding's processes did. SCC's schema has a
// home for their connections and files, but none for the order of things.
func timelineProperties(p propertyMap, f finding.Finding) {
	var list []*structpb.Value
	for _, e := range f.Timeline {
		list = append(list, object(map[string]*structpb.Value{
			"time":   structpb.NewStringValue(e.Time.UTC().Format(time.RFC3339Nano)),
			"pid":    structpb.NewNumberValue(float64(e.PID)),
			"binary": structpb.NewStringValue(text(e.Exe)),
			"act":    structpb.NewStringValue(text(e.Act)),
			"target": structpb.NewStringValue(text(e.Target)),
			"args":   structpb.NewStringValue(text(strings.Join(e.Args, " "))),
			"count":  structpb.NewNumberValue(float64(e.Count)),
		}))
	}
	p.list("Timeline", list)
	if f.TimelineOmitted > 0 {
		p.number("Timeline_Omitted", float64(f.TimelineOmitted))
	}
}

// unresolved says which values are missing and why.
func (p propertyMap) unresolved(f finding.Finding, cfg Config) {
	cfg = cfg.at(f)
	fields := map[string]*structpb.Value{}
	for _, k := range slices.Sorted(maps.Keys(f.Workload.Unresolved)) {
		fields[text(k)] = structpb.NewStringValue(text(f.Workload.Unresolved[k]))
	}
	missing := map[string]string{"organization": cfg.Organization, "project": cfg.Project, "location": cfg.Location, "cluster": clusterOf(f, cfg)}
	for k, v := range missing {
		if v == "" {
			fields[k] = structpb.NewStringValue("not configured")
		}
	}
	if len(fields) > 0 {
		p["Unresolved"] = object(fields)
	}
}

// context holds the related links in the shape SCC's event detectors use.
func (p propertyMap) context(f finding.Finding, cfg Config) {
	link := func(l Link) *structpb.Value {
		return object(map[string]*structpb.Value{
			"displayName": structpb.NewStringValue(l.Name), "url": structpb.NewStringValue(l.URL),
		})
	}
	links := func(list []Link) *structpb.Value {
		out := &structpb.ListValue{}
		for _, l := range list {
			out.Values = append(out.Values, link(l))
		}
		return structpb.NewListValue(out)
	}
	fields := map[string]*structpb.Value{"mitreUri": link(attackLinks(f)[0])}
	if vt := virusTotal(f); len(vt) > 0 {
		fields["virustotalIndicatorQueryUri"] = links(vt)
	}
	var logs []Link
	for _, q := range Filters(f, cfg) {
		if q.URL != "" {
			logs = append(logs, Link{Name: q.Name, URL: q.URL})
		}
	}
	if len(logs) > 0 {
		fields["cloudLoggingQueryUri"] = links(logs)
	}
	p["contextUris"] = object(fields)
}

// isHash reports whether s is a SHA-256 in hexadecimal.
func isHash(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == 64 && s == strings.ToLower(s)
}
