package classify

import "math"

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

// Tables are the parameters of a model: a linear function of the script as a
// whole, and another of its windows, of which the highest counts.
//
//	logit = Bias + WholeUnit·Σ Whole[features]·scale + Σ WholeMark[marks]·scale
//	      + max over windows of
//	        (WindowUnit·Σ Window[features]·scale + Σ WindowMark[marks]·scale)
//
// The two large tables are int8 in a model and float32 while it is trained.
// Tables are safe for concurrent use as long as nobody changes them.
type Tables[T int8 | float32] struct {
	Bias                  float32
	Whole, Window         []T // by FeatureIndex
	WholeUnit, WindowUnit float32
	WholeMark, WindowMark []float32 // by mark
}

// NewTables returns tables that are all zero, with units of one.
func NewTables[T int8 | float32]() *Tables[T] {
	return &Tables[T]{
		Whole: make([]T, TableSize), Window: make([]T, TableSize), WholeUnit: 1, WindowUnit: 1,
		WholeMark: make([]float32, MarkCount), WindowMark: make([]float32, MarkCount),
	}
}

// Score is what tables say of a script.
type Score struct {
	Logit    float32 // log-odds, not calibrated
	From, To int     // the blocks of the window that counted; both 0 when there is none
}

// Score judges the features of a script.
func (t *Tables[T]) Score(f *Features) Score {
	logit := t.Bias + t.WholeUnit*sum(t.Whole, f.whole)*FeatureScale(len(f.whole))
	var buffer [512]uint32
	marks := f.WholeMarks(buffer[:0])
	logit += sumMarks(t.WholeMark, marks) * MarkScale(len(marks))

	best := t.bestWindow(f, marks)
	best.Logit += logit
	return best
}

// bestWindow scores every window and returns the highest, or zero when there
// is none. It uses the room in marks.
func (t *Tables[T]) bestWindow(f *Features, marks []uint32) Score {
	var buffer [256]float32
	sums := buffer[:0] // of each block
	for i := range f.blockEnd {
		f0, f1, _, _ := f.blocks(i, i+1)
		sums = append(sums, sum(t.Window, f.features[f0:f1]))
	}
	best := Score{Logit: float32(math.Inf(-1))}
	f.windows(func(from, to int) bool {
		var s float32
		for _, block := range sums[from:to] {
			s += block
		}
		f0, f1, _, _ := f.blocks(from, to)
		s *= t.WindowUnit * FeatureScale(int(f1-f0))
		marks = f.WindowMarks(from, to, marks[:0])
		s += sumMarks(t.WindowMark, marks) * MarkScale(len(marks))
		if s > best.Logit {
			best = Score{s, from, to}
		}
		return true
	})
	if best.To == 0 {
		best.Logit = 0
	}
	return best
}

func sum[T int8 | float32](table []T, features []uint32) float32 {
	table = table[:TableSize]
	var s float32
	for _, f := range features {
		s += float32(table[FeatureIndex(f)])
	}
	return s
}

func sumMarks(table []float32, marks []uint32) float32 {
	table = table[:MarkCount]
	var s float32
	for _, m := range marks {
		s += table[m%MarkCount]
	}
	return s
}
