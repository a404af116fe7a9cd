package health

import (
	"fmt"
	"time"

	"kingsnake/finding"
)

// about is what every finding about s has.
func about(c finding.Category, s finding.Sensor, r Report) finding.Finding {
	return finding.Finding{
		Name: finding.HealthNameOf(c, s.Name), Category: c, Severity: finding.High, State: finding.Active,
		Workload: finding.Workload{Node: s.Name}, Sensor: s.Name,
		Health: finding.Health{
			Over: r.Over, Seen: r.Recent.Seen, Lost: r.Recent.Lost, Heard: s.Heard, Status: s.SensorStatus,
		},
	}
}

// silentFinding is the finding about a sensor nothing is heard of.
func silentFinding(s finding.Sensor, r Report, l Limits) finding.Finding {
	f := about(finding.SensorSilent, s, r)
	f.Health.Summary = fmt.Sprintf("No heartbeat came from the sensor for more than %s: Python that runs on its node is not seen, or not reported.", words(l.Silent))
	f.Health.NextSteps = []string{
		"See whether the node itself is up, and whether it can reach this server's address.",
		"See whether the sensor runs there, and how it ended: \"systemctl status kingsnake\", or the logs of its pod with \"kubectl logs --previous\". A sensor that was killed says nothing itself.",
		"If somebody stopped it with kill -9, ask who and why: that is what one does who does not want to be seen. Look at what else ran on the node from the last heartbeat on.",
		"Run \"kingsnake doctor\" on the node: it names what keeps the sensor from working.",
		"Start it again. Findings it kept in its spool arrive then. This finding closes by itself with the next heartbeat.",
		"If the node is gone for good, forget the sensor on the Sensors page; this finding closes.",
	}
	return f
}

// lossyFinding is the finding about a sensor that loses too much.
func lossyFinding(s finding.Sensor, r Report, l Limits) finding.Finding {
	f := about(finding.SensorLossy, s, r)
	if r.Rate <= muchLost {
		f.Severity = finding.Medium
	}
	missed := r.Recent.Lost.Missed()
	f.Health.Summary = fmt.Sprintf("The sensor lost %d of some %d in the last %s, %.2g%%; more than %.2g%% is too much. What was lost was not judged, or not reported.",
		missed.Total(), missed.Total()+max(r.Recent.Seen, r.Recent.Scripts), words(r.Over), 100*r.Rate, 100*l.OrDefault().Loss)
	f.Health.NextSteps = nextSteps(missed)
	return f
}

// nextSteps says what to do about losses, the largest stage first.
func nextSteps(lost finding.Losses) []string {
	var out []string
	told := map[finding.Stage]bool{}
	for _, why := range lost.Sorted() {
		if advice, ok := stageAdvice[why.Stage]; ok && !told[why.Stage] {
			told[why.Stage] = true
			out = append(out, advice)
		}
	}
	return append(out,
		"Look at what started so many scripts, or such odd ones: flooding a sensor is a way to get something past it. The findings of the node around this time are a start.",
		"The Sensors page shows the losses by stage and reason. This finding closes by itself when they end.")
}

// stageAdvice is what to do about losses at a stage.
var stageAdvice = map[finding.Stage]string{
	finding.StageCapture: "Scripts were lost while they were captured, because a bound was reached or memory could not be read: give the sensor more memory and processor time, and run \"kingsnake doctor\" on the node.",
	finding.StageDetect:  "Scripts were captured and not judged, because judging could not keep up or failed: give the sensor more processor time; its log names each script whose judging crashed.",
	finding.StagePush:    "Findings did not reach the server: look at the sensor's log for why the server refused them, and give the sensor a spool (--spool) so that they outlast a server that is away.",
}

// words says a duration in minutes or seconds.
func words(d time.Duration) string {
	if d >= 2*time.Minute {
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}
