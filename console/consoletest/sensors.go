package consoletest

import (
	"time"

	"kingsnake/finding"
)

// Sensors returns a sensor that is healthy, one that cannot watch everything,
// one that loses too much, one that was stopped and one that is silent.
func Sensors() []finding.SensorStatus {
	const watching = "every Python script in this machine's containers: files, -c, standard input, and modules imported from writable paths"
	return []finding.SensorStatus{
		{Name: "node-a1", Version: "0.1.0", Model: hash, ModelFrom: "/etc/kingsnake/model.signed, signed by detection 2026 (key 5c1de8a9b0f32d47) on 2026-03-01",
			Shadow: "model 77aa01c2d3e4 judged 41207 scripts beside it, 2 of them higher and 1 lower", Started: Now.Add(-70 * time.Hour), Time: Now.Add(-4 * time.Second),
			Uptime: 70 * time.Hour, Beat: 25_200, Watching: watching, Seen: 184_213, Scripts: 184_213, Findings: 12},
		{Name: "node-b2", Version: "0.1.0", Model: otherHash, ModelFrom: "inside the program",
			ModelProblem: "the file /etc/kingsnake/model.signed was refused: damaged: its header does not end", Started: Now.Add(-30 * time.Minute), Time: Now.Add(-9 * time.Second),
			Watching: watching, Degraded: "container names and images cannot be looked up: /run/containerd/containerd.sock does not answer",
			Scripts: 2_044, Findings: 1, Lost: finding.Losses{
				{Stage: finding.StageCapture, Reason: "data ring full"}: 17, {Stage: finding.StageDetect, Reason: "queue full"}: 3,
				{Stage: finding.StageWorkload, Reason: "no container runtime socket answered"}: 212,
			}, QueuedOut: 2},
		{Name: "node-c3", Version: "0.1.0", Model: hash, Started: Now.Add(-400 * time.Hour), Time: Now.Add(-47 * time.Minute),
			Watching: watching, Scripts: 90_112},
		{Name: "node-d4", Version: "0.1.0", Model: hash, Started: Now.Add(-4 * time.Minute), Time: Now.Add(-7 * time.Second), Beat: 24, Uptime: 4 * time.Minute,
			Watching: watching, Seen: 3_391, Scripts: 3_377, Findings: 9, Lost: lossy},
		{Name: "node-e5", Version: "0.1.0", Model: hash, Started: Now.Add(-90 * time.Hour), Time: Now.Add(-3 * time.Hour), Beat: 31_000, Uptime: 87 * time.Hour, Stopped: true,
			Watching: watching, Seen: 51_870, Scripts: 51_870, Findings: 2},
	}
}

var lossy = finding.Losses{
	{Stage: finding.StageCapture, Reason: "exec ring full"}: 122, {Stage: finding.StageCapture, Reason: "data ring full"}: 61,
	{Stage: finding.StageDetect, Reason: "queue full"}: 14, {Stage: finding.StagePush, Reason: "refused by the server"}: 1,
}

// Silent is the finding about the sensor that is silent.
func Silent() finding.Finding {
	return about(finding.SensorSilent, finding.High, Sensors()[2], finding.Health{
		Summary: "No heartbeat came from the sensor for more than 60 seconds: Python that runs on its node is not seen, or not reported.",
		NextSteps: []string{
			"See whether the node itself is up, and whether it can reach this server's address.",
			"See whether the sensor runs there, and how it ended: \"systemctl status kingsnake\", or the logs of its pod with \"kubectl logs --previous\".",
			"Start it again. This finding closes by itself with the next heartbeat.",
		},
		Since: Now.Add(-46 * time.Minute), Heard: Now.Add(-47 * time.Minute),
	})
}

// Lossy is the finding about the sensor that loses too much.
func Lossy() finding.Finding {
	return about(finding.SensorLossy, finding.Medium, Sensors()[3], finding.Health{
		Summary: "The sensor lost 198 of some 3589 in the last 4 minutes, 5.5%; more than 0.1% is too much. What was lost was not judged, or not reported.",
		NextSteps: []string{
			"Scripts were lost while they were captured, because a bound was reached or memory could not be read: give the sensor more memory and processor time, and run \"kingsnake doctor\" on the node.",
			"Look at what started so many scripts, or such odd ones: flooding a sensor is a way to get something past it.",
		},
		Since: Now.Add(-90 * time.Second), Heard: Now.Add(-7 * time.Second), Over: 4 * time.Minute, Seen: 3_391, Lost: lossy,
	})
}

// HostileSensor is a finding about a sensor whose every text tries to mislead.
func HostileSensor() finding.Finding {
	attack := Hostile().Workload.Image
	s := finding.SensorStatus{Name: "n" + attack, Version: attack, Model: attack, Started: Now.Add(-time.Hour), Time: Now, Watching: attack, Degraded: attack,
		ModelProblem: attack, Scripts: 1 << 63, QueuedOut: 1 << 40, Lost: finding.Losses{{Stage: finding.Stage(attack), Reason: attack}: 1 << 63}}
	return about(finding.SensorLossy, finding.High, s, finding.Health{
		Summary: attack, NextSteps: []string{attack, ""}, Since: Now, Heard: Now, Over: -time.Hour, Lost: s.Lost,
	})
}

func about(c finding.Category, severity finding.Severity, s finding.SensorStatus, h finding.Health) finding.Finding {
	h.Status = s
	return finding.Finding{
		Name: finding.HealthNameOf(c, s.Name), Category: c, Severity: severity, State: finding.Active, EventTime: h.Since,
		Workload: finding.Workload{Node: s.Name}, Sensor: s.Name, Health: h,
	}
}
