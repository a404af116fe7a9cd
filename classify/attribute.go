package classify

// weighFeatures gives each feature's part of the score to its statement.
func (e *explainer) weighFeatures(score Score) {
	t, f := &e.m.tables, e.x.view()
	unit := float64(t.CoreUnit * FeatureScale(f.CoreSize(score.Core)))
	for _, i := range score.Core {
		e.weighBlock(t.Core, f.start(int(i)).features, f.blocks[i].features, unit)
	}
	if score.To == 0 {
		return
	}
	from, to := f.start(score.From).features, f.blocks[score.To-1].features
	e.weighBlock(t.Window, from, to, float64(t.WindowUnit*FeatureScale(int(to-from))))
}

// weighBlock gives features [from, to) their weights in table, in units.
func (e *explainer) weighBlock(table []int8, from, to int32, unit float64) {
	for i := from; i < to; i++ {
		if w := table[FeatureIndex(e.x.features[i])]; w != 0 {
			e.add(e.x.places[i], float64(w)*unit)
		}
	}
}

// weighMarks gives the parts of marks to behaviors, pairs of them, statements,
// or the shape of the script.
func (e *explainer) weighMarks(score Score) {
	t, f := &e.m.tables, e.x.view()
	e.weighAll(t.CoreMark, f.CoreMarks(score.Core, nil))
	e.weighAll(t.ScriptMark, f.ScriptMarks(nil))
	if score.To == 0 {
		return
	}
	m0, m1 := f.start(score.From).marks, f.blocks[score.To-1].marks
	marks := f.WindowMarks(score.From, score.To, nil)
	unit := float64(MarkScale(len(marks)))
	for i, mark := range marks {
		w := float64(t.WindowMark[mark]) * unit
		if mark < pairMarks {
			e.pair(mark, w)
		} else if k := m0 + int32(i); k < m1 {
			e.add(e.x.markPlace[k], w)
		}
	}
}

// weighAll gives the parts of marks to behaviors and pairs of them, or to the
// shape.
func (e *explainer) weighAll(table []float32, marks []uint32) {
	unit := float64(MarkScale(len(marks)))
	for _, mark := range marks {
		if w := float64(table[mark]) * unit; mark < pairMarks {
			e.pair(mark, w)
		} else {
			e.shape += w
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
