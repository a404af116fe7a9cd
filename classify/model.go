package classify

import (
	"crypto/sha256"
	"encoding/hex"
	"math"

	"kingsnake/normalize"
)

// Model judges scripts. It is immutable and safe for concurrent use.
type Model struct {
	tables      Tables[int8]
	calibration Calibration
	thresholds  Thresholds
	hash        string
}

// Calibration turns log-odds as the tables give them into a probability:
// 1 / (1 + exp(-(Slope·logit + Offset))) (Platt, 1999).
type Calibration struct {
	Slope, Offset float64
}

// Thresholds are the scores, calibrated, at and above which a script is called
// suspicious or malicious. They are frozen when the model is trained.
type Thresholds struct {
	Suspicious, Malicious float64
}

// Probability calibrates a logit.
func (c Calibration) Probability(logit float64) float64 {
	return 1 / (1 + math.Exp(-(c.Slope*logit + c.Offset)))
}

// New makes a model of its parts. Use [Load] for one that lies in a file. The
// caller must not change the tables afterwards.
func New(tables *Tables[int8], c Calibration, t Thresholds) (*Model, error) {
	m := &Model{tables: *tables, calibration: c, thresholds: t}
	if err := m.validate(); err != nil {
		return nil, err
	}
	data, err := m.encode()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	m.hash = hex.EncodeToString(sum[:])
	return m, nil
}

// Hash is the SHA-256 of the model's file, in lower-case hexadecimal.
func (m *Model) Hash() string { return m.hash }

// Tables returns the model's parameters. The caller must not change them.
func (m *Model) Tables() *Tables[int8] { return &m.tables }

// Calibration returns the curve that turns log-odds into scores.
func (m *Model) Calibration() Calibration { return m.calibration }

// Thresholds returns the frozen thresholds.
func (m *Model) Thresholds() Thresholds { return m.thresholds }

// Logit is the score of features before calibration.
func (m *Model) Logit(f *Features) float64 { return float64(m.tables.Score(f).Logit) }

// Score is the calibrated score of features.
func (m *Model) Score(f *Features) float64 { return m.calibration.Probability(m.Logit(f)) }

// Label is what a calibrated score is called.
func (m *Model) Label(score float64) Label {
	switch {
	case score >= m.thresholds.Malicious:
		return Malicious
	case score >= m.thresholds.Suspicious:
		return Suspicious
	}
	return Benign
}

// Judge says what the model thinks of a script, and why. Reasons are given
// only for scripts that are not benign.
//
// It depends on the text alone: by which door a script came to run is not
// weighed, because what is harmless in a file is harmless on standard input.
func (m *Model) Judge(text normalize.Text) Verdict {
	x := extract(text)
	defer x.release()
	f := x.view()
	score := m.tables.Score(&f)
	v := Verdict{
		Score: m.calibration.Probability(float64(score.Logit)), Layers: len(text.Layers), Model: m.hash,
		Reasons: []Reason{},
	}
	v.Label = m.Label(v.Score)
	if v.Label != Benign {
		v.Reasons = m.reasons(text, x, score)
	}
	return v
}
