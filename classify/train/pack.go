package train

import (
	"math"
	"slices"

	"kingsnake/classify"
)

// Pack rounds learned tables to the eight bits a weight that a model keeps.
func Pack(t *classify.Tables[float32]) *classify.Tables[int8] {
	p := classify.NewTables[int8]()
	p.Bias = t.Bias
	p.CoreUnit = round(t.Core, p.Core)
	p.WindowUnit = round(t.Window, p.Window)
	roundMarks(t, p)
	return p
}

// roundMarks rounds the weights of marks, so that they take less room in a file.
func roundMarks(t *classify.Tables[float32], p *classify.Tables[int8]) {
	to := p.Marks()
	for k, from := range t.Marks() {
		for i, w := range from {
			to[k][i] = float32(math.Round(float64(w)*4096) / 4096)
		}
	}
}

// round writes weights as multiples of a unit and returns the unit. The few
// heaviest weights in a hundred thousand are cut to what eight bits can hold,
// so that the many others are not rounded away.
func round(from []float32, to []int8) (unit float32) {
	sizes := make([]float32, 0, len(from))
	for _, w := range from {
		if w != 0 {
			sizes = append(sizes, float32(math.Abs(float64(w))))
		}
	}
	if len(sizes) == 0 {
		return 1
	}
	slices.Sort(sizes)
	unit = sizes[int(float64(len(sizes)-1)*0.99999)] / 127
	for i, w := range from {
		to[i] = units(w, unit)
	}
	return unit
}

// units is a weight as a multiple of a unit, cut to what eight bits can hold.
func units(w, unit float32) int8 {
	return int8(max(-127, min(127, math.Round(float64(w/unit)))))
}

// Calibrate fits the curve that turns log-odds into probabilities to scores of
// models that had not seen what they judged, each with its weight. It is
// Newton's method on the logistic loss (Platt, 1999).
func Calibrate(logits []float64, malicious []bool, weights []float64) classify.Calibration {
	slope, offset := 1.0, 0.0
	for range 100 {
		var gs, gb, hss, hso, hoo float64
		for i, x := range logits {
			p := 1 / (1 + math.Exp(-(slope*x + offset)))
			y := 0.0
			if malicious[i] {
				y = 1
			}
			g, h := weights[i]*(p-y), weights[i]*max(p*(1-p), 1e-12)
			gs += g * x
			gb += g
			hss += h * x * x
			hso += h * x
			hoo += h
		}
		hss += 1e-6
		hoo += 1e-6
		det := hss*hoo - hso*hso
		ds, do := (hoo*gs-hso*gb)/det, (hss*gb-hso*gs)/det
		slope, offset = slope-ds, offset-do
		if math.Abs(ds)+math.Abs(do) < 1e-9 {
			break
		}
	}
	if !(slope > 0.01) || math.IsInf(slope, 0) || math.IsNaN(offset) {
		return classify.Calibration{Slope: 1}
	}
	return classify.Calibration{Slope: slope, Offset: offset}
}
