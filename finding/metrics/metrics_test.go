package metrics_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/finding"
	"kingsnake/finding/metrics"
)

// line is a line of the text format, as its specification has it.
var line = regexp.MustCompile(`^(# HELP kingsnake_\w+ [^\n]+|# TYPE kingsnake_\w+ (counter|gauge)|` +
	`kingsnake_\w+(\{\w+="([^"\\\n]|\\\\|\\"|\\n)*"(,\w+="([^"\\\n]|\\\\|\\"|\\n)*")*\})? -?[0-9.e+]+)$`)

func TestSensors(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var b strings.Builder
	w := metrics.NewWriter(&b)
	metrics.Sensors(w, []finding.Sensor{
		{SensorStatus: finding.SensorStatus{Name: "node-a", Version: "1", Model: "m", Uptime: 90 * time.Second, Seen: 12, Scripts: 11, Findings: 2, QueuedOut: 1,
			Lost: finding.Losses{{Stage: finding.StageCapture, Reason: "exec ring full"}: 3, {Stage: finding.StagePush, Reason: "spool full"}: 1}}, Heard: now.Add(-4 * time.Second)},
		{SensorStatus: finding.SensorStatus{Name: "odd\\\"\n\xff", Degraded: "no CRI"}},
	}, now)
	if w.Err() != nil {
		t.Fatal(w.Err())
	}
	var got []string
	for l := range strings.Lines(b.String()) {
		l = strings.TrimSuffix(l, "\n")
		if !line.MatchString(l) {
			t.Errorf("not in the format: %q", l)
		}
		if !strings.HasPrefix(l, "#") {
			got = append(got, l)
		}
	}
	want := []string{
		`kingsnake_sensor_info{sensor="node-a",version="1",model="m"} 1`,
		`kingsnake_sensor_info{sensor="odd\\\"\n` + "\uFFFD" + `",version="",model=""} 1`,
		`kingsnake_sensor_uptime_seconds{sensor="node-a"} 90`,
		`kingsnake_sensor_uptime_seconds{sensor="odd\\\"\n` + "\uFFFD" + `"} 0`,
		`kingsnake_sensor_stopped{sensor="node-a"} 0`,
		`kingsnake_sensor_stopped{sensor="odd\\\"\n` + "\uFFFD" + `"} 0`,
		`kingsnake_sensor_degraded{sensor="node-a"} 0`,
		`kingsnake_sensor_degraded{sensor="odd\\\"\n` + "\uFFFD" + `"} 1`,
		`kingsnake_sensor_scripts_seen_total{sensor="node-a"} 12`,
		`kingsnake_sensor_scripts_seen_total{sensor="odd\\\"\n` + "\uFFFD" + `"} 0`,
		`kingsnake_sensor_scripts_judged_total{sensor="node-a"} 11`,
		`kingsnake_sensor_scripts_judged_total{sensor="odd\\\"\n` + "\uFFFD" + `"} 0`,
		`kingsnake_sensor_findings_total{sensor="node-a"} 2`,
		`kingsnake_sensor_findings_total{sensor="odd\\\"\n` + "\uFFFD" + `"} 0`,
		`kingsnake_sensor_findings_queued{sensor="node-a"} 1`,
		`kingsnake_sensor_findings_queued{sensor="odd\\\"\n` + "\uFFFD" + `"} 0`,
		`kingsnake_sensor_lost_total{sensor="node-a",stage="capture",reason="exec ring full"} 3`,
		`kingsnake_sensor_lost_total{sensor="node-a",stage="push",reason="spool full"} 1`,
		`kingsnake_sensor_heartbeat_age_seconds{sensor="node-a"} 4`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestTheFirstErrorIsKept(t *testing.T) {
	t.Parallel()
	w := metrics.NewWriter(broken{})
	w.Family("x", "help", metrics.Gauge)
	w.Sample(1.5)
	if !errors.Is(w.Err(), errBroken) {
		t.Errorf("%v", w.Err())
	}
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }
