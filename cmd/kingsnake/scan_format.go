package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"kingsnake/classify"
)

// scanWriter prints a scan. Write is called for each file in order, then close.
type scanWriter interface {
	write(j judged) error
	close(t tally) error
}

func newScanWriter(w io.Writer, cfg scanConfig, m *classify.Model) (scanWriter, error) {
	switch cfg.format {
	case "table":
		return &tableWriter{w: w, all: cfg.all}, nil
	case "json":
		return &jsonWriter{w: w, report: jsonReport{Model: m.Hash(), Files: []judged{}}}, nil
	case "jsonl":
		return lineWriter{json.NewEncoder(w)}, nil
	case "sarif":
		return newSarifWriter(w, m), nil
	}
	return nil, usageError("--format %q: want table, json, jsonl or sarif", cfg.format)
}

// tableWriter prints what was found for people.
type tableWriter struct {
	w   io.Writer
	all bool
}

func (t *tableWriter) write(j judged) error {
	if j.Error != "" || j.Label == classify.Benign && !t.all {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s %.4f  %s\n", j.Label, j.Score, visible(j.Path))
	for _, r := range j.Reasons {
		where := ""
		if r.Where != "" {
			where = " (" + visible(r.Where) + ")"
		}
		technique := ""
		if r.Technique != "" {
			technique = " [" + r.Technique + "]"
		}
		fmt.Fprintf(&b, "    %s%s%s\n", visible(r.Text), where, technique)
	}
	_, err := io.WriteString(t.w, b.String())
	return err
}

func (t *tableWriter) close(n tally) error {
	_, err := fmt.Fprintf(t.w, "%d scanned: %d malicious, %d suspicious, %d unreadable\n", n.Scanned, n.Malicious, n.Suspicious, n.Unreadable)
	return err
}

// jsonReport is a scan as one JSON object.
type jsonReport struct {
	Model  string   `json:"model"`
	Counts tally    `json:"counts"`
	Files  []judged `json:"files"`
}

type jsonWriter struct {
	w      io.Writer
	report jsonReport
}

func (j *jsonWriter) write(f judged) error {
	j.report.Files = append(j.report.Files, f)
	return nil
}

func (j *jsonWriter) close(t tally) error {
	j.report.Counts = t
	out := json.NewEncoder(j.w)
	out.SetIndent("", "  ")
	return out.Encode(j.report)
}

// lineWriter prints one JSON object a file.
type lineWriter struct{ *json.Encoder }

func (l lineWriter) write(f judged) error { return l.Encode(f) }
func (l lineWriter) close(tally) error    { return nil }

// The parts of SARIF 2.1.0 that a scan uses (OASIS, 27 March 2020).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		ColumnKind  string            `json:"columnKind"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name       string            `json:"name"`
		Version    string            `json:"version"`
		Rules      []sarifRule       `json:"rules"`
		Properties map[string]string `json:"properties"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		ShortDescription sarifText `json:"shortDescription"`
		HelpURI          string    `json:"helpUri,omitempty"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool                `json:"executionSuccessful"`
		Notifications       []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID     string             `json:"ruleId"`
		RuleIndex  int                `json:"ruleIndex"`
		Level      string             `json:"level"`
		Message    sarifText          `json:"message"`
		Locations  []sarifLocation    `json:"locations"`
		Properties map[string]float64 `json:"properties"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
		EndLine   int `json:"endLine"`
	}
)

// sarifWriter gathers what was found: one result a reason.
type sarifWriter struct {
	w     io.Writer
	run   sarifRun
	rules map[string]int
}

func newSarifWriter(w io.Writer, m *classify.Model) *sarifWriter {
	return &sarifWriter{w: w, rules: map[string]int{}, run: sarifRun{
		Tool: sarifTool{sarifDriver{Name: "kingsnake", Version: version(), Rules: []sarifRule{},
			Properties: map[string]string{"model": m.Hash()}}},
		Invocations: []sarifInvocation{{ExecutionSuccessful: true}}, Results: []sarifResult{}, ColumnKind: "unicodeCodePoints",
	}}
}

// rule returns the index of the rule for a technique.
func (s *sarifWriter) rule(technique string) (id string, index int) {
	r := sarifRule{ID: "python-behavior", ShortDescription: sarifText{"Python code that resembles known malicious scripts"}}
	if technique != "" {
		r.ID = technique
		r.ShortDescription.Text = "Python code that shows MITRE ATT&CK technique " + technique
		r.HelpURI = "https://attack.mitre.org/techniques/" + strings.ReplaceAll(technique, ".", "/") + "/"
	}
	index, ok := s.rules[r.ID]
	if !ok {
		index = len(s.run.Tool.Driver.Rules)
		s.rules[r.ID] = index
		s.run.Tool.Driver.Rules = append(s.run.Tool.Driver.Rules, r)
	}
	return r.ID, index
}

func (s *sarifWriter) write(j judged) error {
	if j.Error != "" {
		i := &s.run.Invocations[0]
		i.ExecutionSuccessful = false
		i.Notifications = append(i.Notifications, sarifNotification{"error", sarifText{visible(j.Path + ": " + j.Error)}})
		return nil
	}
	if j.Label == classify.Benign {
		return nil
	}
	level := "error"
	if j.Label == classify.Suspicious {
		level = "warning"
	}
	artifact := sarifArtifact{(&url.URL{Path: filepath.ToSlash(j.Path)}).String()}
	reasons := j.Reasons
	if len(reasons) == 0 {
		reasons = []classify.Reason{{Text: "The script resembles known malicious scripts."}}
	}
	for _, r := range reasons {
		id, index := s.rule(r.Technique)
		result := sarifResult{RuleID: id, RuleIndex: index, Level: level, Message: sarifText{visible(r.Text)},
			Properties: map[string]float64{"score": j.Score, "weight": r.Weight}}
		for _, span := range r.Spans {
			result.Locations = append(result.Locations, sarifLocation{sarifPhysical{artifact, &sarifRegion{max(span.Line, 1), max(span.EndLine, span.Line, 1)}}})
		}
		if len(r.Spans) == 0 {
			result.Locations = []sarifLocation{{sarifPhysical{Artifact: artifact}}}
		}
		s.run.Results = append(s.run.Results, result)
	}
	return nil
}

func (s *sarifWriter) close(tally) error {
	out := json.NewEncoder(s.w)
	out.SetIndent("", "  ")
	return out.Encode(sarifLog{"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", "2.1.0", []sarifRun{s.run}})
}
