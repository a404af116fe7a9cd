package classify

import (
	"math"
	"slices"
)

// The sizes of the model's tables: of features, and of marks.
const (
	tableBits = 20
	TableSize = 1 << tableBits
	MarkCount = markCount
)

// FeatureIndex is the place of a feature in a table of TableSize weights.
func FeatureIndex(f uint32) uint32 { return (f ^ f>>29*0x3c6ef) & (TableSize - 1) }

// NameFeature reports whether a feature is about the names that a script's
// author chose, and TextFeature whether it is about words in its strings.
// Training hides them at random, so that other names and addresses do not
// change what is thought of the same code.
func NameFeature(f uint32) bool { return f&groupMask == groupNames }

// TextFeature is described at [NameFeature].
func TextFeature(f uint32) bool { return f&groupMask == groupTexts }

// Texts with fewer features or marks than these are taken as if they had that
// many, so that a few words can not weigh as much as a whole script.
const (
	minFeatures = 48
	minMarks    = 16
)

// FeatureScale is what each of n features is multiplied with.
func FeatureScale(n int) float32 { return float32(1 / math.Sqrt(float64(max(n, minFeatures)))) }

// MarkScale is what each of n marks is multiplied with.
func MarkScale(n int) float32 { return float32(1 / math.Sqrt(float64(max(n, minMarks)))) }

// coreBlocks is the most blocks that a core has. Half of the malicious scripts
// of the corpus have fewer in all.
const coreBlocks = 6

// Tables are the parameters of a model: a linear function of the core of a
// script, which is those of its blocks for which the features' weights are
// highest, another of its windows, of which the highest counts, and one of the
// marks of the script as a whole.
//
//	logit = Bias + CoreUnit·Σ Core[features]·scale + Σ CoreMark[marks]·scale
//	      + max over windows of
//	        (WindowUnit·Σ Window[features]·scale + Σ WindowMark[marks]·scale)
//	      + Σ ScriptMark[marks]·scale
//
// The two large tables are int8 in a model and float32 while it is trained.
// Tables are safe for concurrent use as long as nobody changes them.
type Tables[T int8 | float32] struct {
	Bias                             float32
	Core, Window                     []T // by FeatureIndex
	CoreUnit, WindowUnit             float32
	CoreMark, WindowMark, ScriptMark []float32 // by mark
}

// NewTables returns tables that are all zero, with units of one.
func NewTables[T int8 | float32]() *Tables[T] {
	return &Tables[T]{
		Core: make([]T, TableSize), Window: make([]T, TableSize), CoreUnit: 1, WindowUnit: 1,
		CoreMark: make([]float32, MarkCount), WindowMark: make([]float32, MarkCount), ScriptMark: make([]float32, MarkCount),
	}
}

// Marks returns the tables of marks: of the core, of windows, of the script.
func (t *Tables[T]) Marks() [][]float32 { return [][]float32{t.CoreMark, t.WindowMark, t.ScriptMark} }

// Score is what tables say of a script.
type Score struct {
	Logit    float32 // log-odds, not calibrated
	Core     []int32 // the blocks of the core, in rising order
	From, To int     // the blocks of the window that counted; both 0 when there is none
}

// Score judges the features of a script.
func (t *Tables[T]) Score(f *Features) Score {
	var room struct {
		cores, windows [256]float32
		marks          [1024]uint32
	}
	cores, windows := room.cores[:0], room.windows[:0] // sums of each block
	for i := range f.blocks {
		c, w := t.sums(f.Block(i))
		cores, windows = append(cores, c), append(windows, w)
	}
	s := t.bestWindow(f, windows, room.marks[:0])
	s.Core = core(cores)
	var sum float32
	for _, i := range s.Core {
		sum += cores[i]
	}
	s.Logit += t.Bias + t.CoreUnit*sum*FeatureScale(f.CoreSize(s.Core))
	s.Logit += sumMarks(t.CoreMark, f.CoreMarks(s.Core, room.marks[:0]))
	s.Logit += sumMarks(t.ScriptMark, f.ScriptMarks(room.marks[:0]))
	return s
}

// core picks the blocks with the highest sums, of equal ones the first, and
// returns them in rising order.
func core(sums []float32) []int32 {
	picked := make([]int32, 0, min(len(sums), coreBlocks+1))
	for i, sum := range sums {
		if len(picked) == coreBlocks && sum <= sums[picked[coreBlocks-1]] {
			continue
		}
		k := len(picked)
		picked = append(picked, int32(i))
		for ; k > 0 && sums[picked[k-1]] < sum; k-- {
			picked[k] = picked[k-1]
		}
		picked[k] = int32(i)
		picked = picked[:min(len(picked), coreBlocks)]
	}
	slices.Sort(picked)
	return picked
}

// bestWindow scores every window, given the sum of each block, and returns the
// highest, or zero when there is none. It uses the room in marks.
func (t *Tables[T]) bestWindow(f *Features, sums []float32, marks []uint32) Score {
	best := Score{Logit: float32(math.Inf(-1))}
	for from, to := range f.Windows {
		var s float32
		for _, block := range sums[from:to] {
			s += block
		}
		s *= t.WindowUnit * FeatureScale(len(f.Window(from, to)))
		marks = f.WindowMarks(from, to, marks[:0])
		s += sumMarks(t.WindowMark, marks)
		if s > best.Logit {
			best = Score{Logit: s, From: from, To: to}
		}
	}
	if best.To == 0 {
		best.Logit = 0
	}
	return best
}

// sums adds up the weights of features in both tables.
func (t *Tables[T]) sums(features []uint32) (core, window float32) {
	c, w := t.Core[:TableSize], t.Window[:TableSize]
	for _, f := range features {
		i := FeatureIndex(f)
		core += float32(c[i])
		window += float32(w[i])
	}
	return core, window
}

// sumMarks adds up the weights of marks, scaled.
func sumMarks(table []float32, marks []uint32) float32 {
	table = table[:MarkCount]
	var s float32
	for _, m := range marks {
		s += table[m%MarkCount]
	}
	return s * MarkScale(len(marks))
}
