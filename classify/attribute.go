package classify

// weighFeatures gives each feature's part of the score to its statement.
func (e *explainer) weighFeatures(score Score) {
	t, f := &e.m.tables, e.x.view()
	unit := float64(t.WholeUnit * FeatureScale(len(f.whole)))
	for i, h := range f.whole {
		if w := t.Whole[FeatureIndex(h)]; w != 0 {
			e.add(e.x.wholeAt[i], float64(w)*unit)
		}
	}
	if score.To == 0 {
		return
	}
	f0, f1, _, _ := f.blocks(score.From, score.To)
	unit = float64(t.WindowUnit * FeatureScale(int(f1-f0)))
	for i := f0; i < f1; i++ {
		if w := t.Window[FeatureIndex(f.features[i])]; w != 0 {
			e.add(e.x.places[i], float64(w)*unit)
		}
	}
}

// weighMarks gives the parts of marks to behaviors, pairs of them, statements,
// or the shape of the script as a whole.
func (e *explainer) weighMarks(score Score) {
	t, f := &e.m.tables, e.x.view()
	marks := f.WholeMarks(nil)
	unit := float64(MarkScale(len(marks)))
	for _, mark := range marks {
		w := float64(t.WholeMark[mark]) * unit
		if mark < pairMarks {
			e.pair(mark, w)
		} else {
			e.shape += w
		}
	}
	if score.To == 0 {
		return
	}
	_, _, m0, m1 := f.blocks(score.From, score.To)
	marks = f.WindowMarks(score.From, score.To, marks[:0])
	unit = float64(MarkScale(len(marks)))
	for i, mark := range marks {
		w := float64(t.WindowMark[mark]) * unit
		if mark < pairMarks {
			e.pair(mark, w)
		} else if k := m0 + int32(i); k < m1 {
			e.add(e.x.markPlace[k], w)
		}
	}
}

func (e *explainer) pair(mark uint32, w float64) {
	a, b := uint8(mark>>7), uint8(mark&127)
	if a == b {
		e.alone[a] += w
	} else {
		e.pairs[[2]uint8{a, b}] += w
	}
}
