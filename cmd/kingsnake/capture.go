package main

import (
	"errors"
	"fmt"

	"kingsnake/capture"
	"kingsnake/capture/fallback"
	"kingsnake/capture/rights"
	"kingsnake/capture/sensor"
	"kingsnake/detect"
)

// eye is what captures scripts: a capture/sensor.Sensor, or a
// capture/fallback.Sensor where BPF cannot be used.
type eye interface {
	detect.Source
	Stats() capture.Stats
	Degraded() string
	Close() error
}

// captureMode says how scripts are captured. It is a flag.Value.
type captureMode string

const (
	captureAuto     captureMode = "" // BPF, or else without
	captureBPF      captureMode = "bpf"
	captureFallback captureMode = "fallback"
)

// String is what a person writes for it.
func (m *captureMode) String() string {
	if m == nil || *m == captureAuto {
		return "auto"
	}
	return string(*m)
}

// Set takes what a person wrote.
func (m *captureMode) Set(text string) error {
	switch captureMode(text) {
	case captureBPF, captureFallback:
		*m = captureMode(text)
	case "auto":
		*m = captureAuto
	default:
		return errors.New("want auto, bpf or fallback")
	}
	return nil
}

var errTold = errors.New("--capture fallback says so")

// open begins to capture. It returns the sensor that uses BPF when that is what
// captures. Where it cannot be used, and may be done without, it says so.
func (n *node) open(env Env) (*sensor.Sensor, error) {
	why := errTold
	if n.cfg.capture != captureFallback {
		// The sensor tells of executions only while the pipeline runs it.
		s, err := sensor.Open(sensor.Config{
			Executed: func(x capture.Execution) { n.pipeline.Executed(x) },
			Acted:    func(a capture.Activity) { n.pipeline.Acted(a) },
			Hold:     n.cfg.hold.sensor(),

			BytesPerSecond: n.cfg.bytes << 20,
		})
		if err == nil {
			n.eye, n.follower = s, s
			return s, nil
		}
		if n.cfg.capture == captureBPF || len(n.cfg.hold.rules) > 0 {
			return nil, err // who wants programs held does not want them only seen
		}
		why = err
	}
	s, err := fallback.Open(fallback.Config{
		Executed: func(x capture.Execution) { n.pipeline.Executed(x) },
		Acted:    func(a capture.Activity) { n.pipeline.Acted(a) },
	})
	switch {
	case err != nil && errors.Is(why, errTold):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w\nIt cannot be done without BPF either: %w", why, err)
	}
	n.eye, n.withoutBPF = s, why
	if s.Follows() {
		n.follower = s
	}
	if !errors.Is(why, errTold) {
		fmt.Fprintf(env.Stderr, "BPF cannot be used here: %v\nFalling back to what the kernel tells of processes and files, which is less: \"kingsnake doctor\" says more.\n", why)
	}
	return nil, nil
}

// use is what the node needs rights for.
func (n *node) use() rights.Use {
	if n.withoutBPF != nil {
		return rights.WithoutBPF
	}
	return rights.WithBPF
}
