// Package metrics writes what sensors saw and lost as metrics, in the text
// format of Prometheus (version 0.0.4), which every collector reads:
// https://prometheus.io/docs/instrumenting/exposition_formats.
//
// The numbers are counted elsewhere and only written here, each time somebody
// asks, so there is no registry and no state. All names begin with kingsnake_;
// losses are one family, by stage and reason, with the words of
// kingsnake/finding.
package metrics

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"kingsnake/finding"
)

// ContentType is the media type of what is written.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Kind is the type of a family of metrics.
type Kind string

// The kinds.
const (
	Counter Kind = "counter" // only rises, until its process starts anew
	Gauge   Kind = "gauge"
)

// Writer writes families of metrics. The first error of the underlying writer
// is kept, and nothing is written after it.
type Writer struct {
	w      io.Writer
	family string
	err    error
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Err returns the first error of writing.
func (w *Writer) Err() error { return w.err }

// Family begins a family; the samples that follow belong to it. Name and help
// are ours, the help one line.
func (w *Writer) Family(name, help string, kind Kind) {
	w.family = "kingsnake_" + name
	w.printf("# HELP %s %s\n# TYPE %s %s\n", w.family, help, w.family, kind)
}

// Sample writes one value, with labels given as name, value, name, value. The
// values may be any text.
func (w *Writer) Sample(value float64, labels ...string) {
	var b strings.Builder
	for i := 0; i+1 < len(labels); i += 2 {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(labels[i] + `="` + escape.Replace(strings.ToValidUTF8(labels[i+1], "\uFFFD")) + `"`)
	}
	if b.Len() > 0 {
		b.WriteByte('}')
	}
	w.printf("%s%s %s\n", w.family, b.String(), number(value))
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// number writes whole numbers as such: a counter is easier to read that way.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func (w *Writer) printf(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.w, format, args...)
	}
}

// Sensors writes what is known of sensors. The age of a heartbeat is written
// for those a server heard of.
func Sensors(w *Writer, all []finding.Sensor, now time.Time) {
	each := func(name, help string, kind Kind, value func(finding.Sensor) float64) {
		w.Family(name, help, kind)
		for _, s := range all {
			w.Sample(value(s), "sensor", s.Name)
		}
	}
	w.Family("sensor_info", "What a sensor is: its version and the hash of the model it judges with.", Gauge)
	for _, s := range all {
		w.Sample(1, "sensor", s.Name, "version", s.Version, "model", s.Model)
	}
	each("sensor_uptime_seconds", "How long the sensor had been running at its last heartbeat.", Gauge,
		func(s finding.Sensor) float64 { return s.Running().Seconds() })
	each("sensor_stopped", "Whether the sensor said that it stops as it was told (1) or not (0).", Gauge,
		func(s finding.Sensor) float64 { return flag(s.Stopped) })
	each("sensor_degraded", "Whether the sensor says that it cannot watch all it should (1) or not (0).", Gauge,
		func(s finding.Sensor) float64 { return flag(s.Degraded != "") })
	each("sensor_scripts_seen_total", "Scripts captured.", Counter, func(s finding.Sensor) float64 { return float64(s.Seen) })
	each("sensor_scripts_judged_total", "Scripts judged.", Counter, func(s finding.Sensor) float64 { return float64(s.Scripts) })
	each("sensor_findings_total", "Findings reported.", Counter, func(s finding.Sensor) float64 { return float64(s.Findings) })
	each("sensor_findings_queued", "Findings that wait for the server to take them.", Gauge,
		func(s finding.Sensor) float64 { return float64(s.QueuedOut) })
	w.Family("sensor_lost_total", "What was lost, by stage and reason.", Counter)
	for _, s := range all {
		for _, why := range s.Lost.Sorted() {
			w.Sample(float64(s.Lost[why]), "sensor", s.Name, "stage", string(why.Stage), "reason", why.Reason)
		}
	}
	w.Family("sensor_heartbeat_age_seconds", "How long ago the server took the sensor's last heartbeat.", Gauge)
	for _, s := range all {
		if !s.Heard.IsZero() {
			w.Sample(max(0, now.Sub(s.Heard).Seconds()), "sensor", s.Name)
		}
	}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
