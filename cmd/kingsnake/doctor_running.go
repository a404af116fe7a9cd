package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"kingsnake/console/health"
	"kingsnake/finding"
)

// maxDoctorSensors is how many sensors of a server doctor lists.
const maxDoctorSensors = 20

// running asks the instance of a data folder, or else the sensor that serves
// metrics at address, how its sensors are. from says who answered; it is "" when
// nobody did.
func running(ctx context.Context, data, address string) (sensors []finding.Sensor, from string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if c, err := newLocalClient(data); err == nil {
		var answer struct {
			Sensors []json.RawMessage `json:"sensors"`
		}
		if err := c.get(ctx, "/sensors", &answer); err == nil {
			sensors, err := unmarshalSensors(answer.Sensors)
			return sensors, "the instance at " + c.base, err
		}
	}
	if address == "" {
		return nil, "", nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		return nil, "", fmt.Errorf("--metrics %q: %v", address, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", nil // nobody is there
	}
	defer resp.Body.Close()
	var answer struct {
		Sensors []json.RawMessage `json:"sensors"`
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err := errors.Join(err, json.Unmarshal(body, &answer)); err != nil || resp.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("what answers at %s is no kingsnake: %s", address, resp.Status)
	}
	sensors, err = unmarshalSensors(answer.Sensors)
	return sensors, "the sensor at " + address, err
}

func unmarshalSensors(list []json.RawMessage) ([]finding.Sensor, error) {
	out := make([]finding.Sensor, len(list))
	for i, b := range list {
		var err error
		if out[i], err = finding.Unmarshal[finding.Sensor](b); err != nil {
			return nil, fmt.Errorf("read the status of a sensor: %v", err)
		}
	}
	return out, nil
}

// tellRunning says what the sensors that run saw and lost, or that none runs.
func tellRunning(ctx context.Context, env Env, data, address string) error {
	sensors, from, err := running(ctx, data, address)
	switch {
	case err != nil:
		_, err = fmt.Fprintf(env.Stdout, "\nWhat runs cannot be told: %s\n", visible(err.Error()))
		return err
	case from == "":
		_, err = fmt.Fprintf(env.Stdout, "\nNo sensor that can be asked runs here: there is no instance on the data folder %s,\n"+
			"and nothing serves metrics at %s.\n", visible(data), visible(address))
		return err
	}
	fmt.Fprintf(env.Stdout, "\n%s says:\n", strings.ToUpper(from[:1])+from[1:])
	if len(sensors) == 0 {
		_, err := fmt.Fprintln(env.Stdout, "no sensor has reported yet")
		return err
	}
	tw := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	for i, s := range sensors {
		if i == maxDoctorSensors {
			fmt.Fprintf(tw, "and %d more\n", len(sensors)-i)
			break
		}
		tellSensor(tw, s, env.Now())
	}
	return tw.Flush()
}

// tellSensor says how one sensor is, and what it lost by stage and reason.
func tellSensor(w io.Writer, s finding.Sensor, now time.Time) {
	unheard := time.Duration(0)
	if !s.Heard.IsZero() {
		unheard = max(0, now.Sub(s.Heard))
	}
	r := health.Of(s, unheard, health.Limits{})
	fmt.Fprintf(w, "%s\tsensor %s\tsince %s; captured %d, judged %d, findings %d, waiting %d\n", r.State, visible(s.Name),
		s.Running().Round(time.Second), max(s.Seen, s.Scripts), s.Scripts, s.Findings, s.QueuedOut)
	if r.State == health.Silent || r.State == health.Stopped {
		fmt.Fprintf(w, "\t  last heartbeat\t%s ago\n", unheard.Round(time.Second))
	}
	if s.Degraded != "" {
		fmt.Fprintf(w, "\t  not as it should be\t%s\n", visible(s.Degraded))
	}
	if away := s.Away; !away.From.IsZero() {
		fmt.Fprintf(w, "\t  did not run\tfor %s before that\n", away.To.Sub(away.From).Round(time.Second))
	}
	for _, why := range s.Lost.Sorted() {
		fmt.Fprintf(w, "\t  lost: %s\t%d%s\n", visible(cmp.Or(why.String(), "for no reason given")), s.Lost[why], lately(r, why))
	}
}

// lately says how much of a loss is recent.
func lately(r health.Report, why finding.Loss) string {
	if r.Over == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of them in the last %s", r.Recent.Lost[why], r.Over.Round(time.Second))
}
