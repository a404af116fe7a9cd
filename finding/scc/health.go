package scc

import (
	"fmt"
	"strings"

	pb "cloud.google.com/go/securitycenter/apiv2/securitycenterpb"
	"google.golang.org/protobuf/types/known/structpb"

	"kingsnake/finding"
)

// health is a finding about a sensor, of class SCC_ERROR. Such findings of SCC's
// own have a category, a description and next steps, and no process.
func health(f finding.Finding, cfg Config) *pb.Finding {
	parent := cfg.sourceName(cfg.ancestor()) + "/locations/global"
	return &pb.Finding{
		Name:              parent + "/findings/" + segment(f.Name),
		CanonicalName:     cfg.sourceName(cfg.nearest()) + "/locations/global/findings/" + segment(f.Name),
		Parent:            parent,
		ParentDisplayName: "kingsnake",
		ResourceName:      placeOf(f, cfg).name,
		State:             stateOf(f.State),
		Category:          text(string(f.Category)),
		ModuleName:        text(string(f.Category)),
		ExternalUri:       cfg.console(f.Name),
		SourceProperties:  healthProperties(f, cfg),
		EventTime:         stamp(f.EventTime),
		CreateTime:        stamp(f.CreateTime),
		Severity:          severityOf(f.Severity),
		Mute:              pb.Finding_UNDEFINED,
		MuteInfo:          &pb.Finding_MuteInfo{StaticMute: &pb.Finding_MuteInfo_StaticMute{State: pb.Finding_UNDEFINED}},
		FindingClass:      pb.Finding_SCC_ERROR,
		Description:       text(f.Health.Summary),
		NextSteps:         numbered(f.Health.NextSteps),
	}
}

// numbered writes steps as a list, one a line.
func numbered(steps []string) string {
	var b strings.Builder
	for i, step := range steps {
		fmt.Fprintf(&b, "%d. %s\n", i+1, text(step))
	}
	return b.String()
}

func healthProperties(f finding.Finding, cfg Config) map[string]*structpb.Value {
	p := propertyMap{}
	h := f.Health
	p.text("VM_Instance_Name", f.Workload.Node)
	p.text("Cluster_Name", clusterOf(f, cfg))
	p.text("Sensor", f.Sensor)
	p.text("Sensor_Version", h.Status.Version)
	p.text("Sensor_Not_Watching", h.Status.Degraded)
	p.time("Sensor_Started", h.Status.Started)
	p.time("Sensor_Last_Heartbeat", h.Heard)
	p.number("Sensor_Uptime_Seconds", h.Status.Running().Seconds())
	p.number("Sensor_Findings_Queued", float64(h.Status.QueuedOut))
	p.time("Since", h.Since)
	p.time("Until", h.Until)
	p.number("Occurrence_Count", float64(f.Count))
	p.time("First_Time", f.FirstTime)
	if h.Over > 0 {
		p.number("Recent_Seconds", h.Over.Seconds())
		p.number("Recent_Scripts_Captured", float64(h.Seen))
		p.list("Recent_Losses", losses(h.Lost))
	}
	p.list("Losses", losses(h.Status.Lost))
	p.unresolved(f, cfg)
	return p
}

// losses lists losses, the largest first.
func losses(l finding.Losses) []*structpb.Value {
	var out []*structpb.Value
	for _, why := range l.Sorted() {
		out = append(out, object(map[string]*structpb.Value{
			"stage":  structpb.NewStringValue(text(string(why.Stage))),
			"reason": structpb.NewStringValue(text(why.Reason)),
			"count":  structpb.NewNumberValue(float64(l[why])),
		}))
	}
	return out
}
