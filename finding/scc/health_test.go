package scc_test

import (
	"strings"
	"testing"
	"time"

	pb "cloud.google.com/go/securitycenter/apiv2/securitycenterpb"

	"kingsnake/finding"
	"kingsnake/finding/scc"
)

// silent is a finding about a sensor.
func silent() finding.Finding {
	status := finding.SensorStatus{Name: "gke-prod-1-pool-1", Version: "0.1.0", Started: when.Add(-time.Hour), Uptime: time.Hour, Beat: 360,
		Seen: 900, Scripts: 890, Lost: finding.Losses{{Stage: finding.StageCapture, Reason: "data ring full"}: 7, {Stage: finding.StagePush, Reason: "odd \xff"}: 1}}
	return finding.Finding{
		Name: finding.HealthNameOf(finding.SensorSilent, status.Name), Category: finding.SensorSilent, Severity: finding.High, State: finding.Active,
		EventTime: when, FirstTime: when.Add(-time.Minute), CreateTime: when, Count: 2, Workload: finding.Workload{Node: status.Name}, Sensor: status.Name,
		Health: finding.Health{
			Summary: "No heartbeat came.", NextSteps: []string{"Look at the node.", "Start the sensor."}, Since: when.Add(-time.Minute), Heard: when.Add(-2 * time.Minute),
			Over: 5 * time.Minute, Seen: 70, Lost: finding.Losses{{Stage: finding.StageCapture, Reason: "data ring full"}: 3}, Status: status,
		},
	}
}

func TestAFindingAboutASensorIsOfItsOwnClass(t *testing.T) {
	t.Parallel()
	m := scc.V2(silent(), gke())
	if m.GetFindingClass() != pb.Finding_SCC_ERROR || m.GetCategory() != "SENSOR_SILENT" || m.GetState() != pb.Finding_ACTIVE {
		t.Errorf("class %v, category %q, state %v", m.GetFindingClass(), m.GetCategory(), m.GetState())
	}
	if len(m.GetProcesses()) > 0 || m.GetMitreAttack() != nil || len(m.GetContainers()) > 0 {
		t.Error("it has a process, a technique or a container")
	}
	if want := "1. Look at the node.\n2. Start the sensor.\n"; m.GetNextSteps() != want || m.GetDescription() != "No heartbeat came." {
		t.Errorf("%q, %q", m.GetDescription(), m.GetNextSteps())
	}
	if !strings.HasPrefix(m.GetResourceName(), "//container.googleapis.com/") {
		t.Errorf("resource %q", m.GetResourceName())
	}
	if scc.V2(inPod(), gke()).GetFindingClass() != pb.Finding_THREAT {
		t.Error("a finding about a script is no threat")
	}
}
