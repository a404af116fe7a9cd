package bytecode

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sourceLine is the line of a rendering that holds a part, as it was compiled,
// or -1 if none does.
func sourceLine(text []byte, lines *Lines, part string) int {
	at := bytes.Index(text, []byte(part))
	if at < 0 {
		return -1
	}
	return lines.At(at)
}

// Statements are found on the lines of the source that they begin on. Up to
// 3.7, tables have no line for what begins with something else than a load, and
// the next line of the statement has to do.
func TestRenderLines(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/lines/*.pyc")
	if err != nil || len(paths) == 0 {
		t.Fatalf("find compiled samples: %d, %v", len(paths), err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Read(data)
		if err != nil {
			t.Fatal(err)
		}
		text, lines, _ := Render(f, 1<<20)
		for _, test := range []struct {
			part      string
			line, old int // old is up to 3.7, if it differs
		}{
			{"import os", 2, 2}, {"from socket import", 3, 3}, {"limit = 3", 8, 8}, {"if limit and", 9, 9}, {"os.system('echo", 11, 11},
			{"class Kept", 17, 17}, {"def run", 19, 20}, {"if first", 21, 21}, {"return [first", 22, 23}, {"for part in", 26, 26},
			{"os.system(part)", 28, 28}, {"os.remove(first)", 30, 30}, {"os.mkdir(first)", 33, 33}, {"except OSError", 34, 34},
			{"raise ValueError", 35, 35}, {"os.rmdir(first)", 38, 38}, {"target = dict(", 41, 41}, {"os.kill(", 46, 48},
		} {
			want := test.line
			if f.Version.layout() <= layout30 {
				want = test.old
			}
			if got := sourceLine(text, lines, test.part); got != want {
				t.Errorf("%s: %q is on line %d, want %d", f.Version, test.part, got, want)
			}
		}
		if at := bytes.Index(text, []byte("os.kill(")); lines.At(len(text)-1) != lines.At(at) || lines.At(-1) != 0 {
			t.Errorf("%s: lines of the end and of nothing are %d, %d", f.Version, lines.At(len(text)-1), lines.At(-1))
		}
	}
}

// numbered gives the lines of four instructions of two bytes each.
func numbered(v Version, first int, table string) []int32 {
	ins := []instruction{{at: 0}, {at: 2}, {at: 4}, {at: 6}}
	r := renderer{version: v}
	r.number(ins, &Code{FirstLine: first, LineTable: []byte(table)})
	var lines []int32
	for _, in := range ins {
		lines = append(lines, in.line)
	}
	return lines
}

func TestTablesOfLines(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		version Version
		first   int
		table   string
		want    []int32
	}{
		{"2.7 only adds", Version{2, 7}, 5, "\x02\x01\x02\xff", []int32{5, 6, 261, 261}},
		{"3.9 goes back as well", Version{3, 9}, 5, "\x02\x03\x02\xfe", []int32{5, 8, 6, 6}},
		{"3.9 has several steps for one", Version{3, 9}, 5, "\x02\x7f\x00\x7f\x00\x01", []int32{5, 260, 260, 260}},
		{"3.9 without a table is one line", Version{3, 9}, 5, "", []int32{5, 5, 5, 5}},
		{"3.9 with half a pair", Version{3, 9}, 5, "\x02\x03\x02", []int32{5, 8, 8, 8}},
		{"3.9 before the first line", Version{3, 9}, 5, "\x02\x80\x02\x7f", []int32{5, 0, 4, 4}},
		{"3.9 starts below", Version{3, 9}, -9, "\x02\x0a", []int32{0, 1, 1, 1}},
		{"3.9 starts far behind", Version{3, 9}, 1 << 30, "", []int32{0, 0, 0, 0}},
		{"3.10 has stretches without a line", Version{3, 10}, 5, "\x02\x00\x02\x80\x02\x02", []int32{5, 0, 7, 0}},
		{"3.10 without a table knows nothing", Version{3, 10}, 5, "", []int32{0, 0, 0, 0}},
		{"3.11 has short entries", Version{3, 11}, 5, "\x80\x00\xd8\x00\x00\xe1\x00\x00", []int32{5, 6, 8, 8}},
		{"3.11 has long ones", Version{3, 11}, 5, "\xf0\x40\x01\x00\x00\x00\xe8\x03\xf8\xe8\x00", []int32{37, 36, 0, 36}},
		{"3.11 without a table knows nothing", Version{3, 11}, 5, "", []int32{0, 0, 0, 0}},
		{"3.14 with columns alone", Version{3, 14}, 5, "\x00\x01\x02\x03", []int32{5, 0, 0, 0}},
		{"3.14 with a number that does not end", Version{3, 14}, 5, "\xe8\x7f\x7f\x7f\x7f\x7f\x7f\x7f", []int32{0, 0, 0, 0}},
	} {
		if got := numbered(test.version, test.first, test.table); !slices.Equal(got, test.want) {
			t.Errorf("%s: want %v, got %v", test.name, test.want, got)
		}
	}
}

// What is taken back takes its line along, and lines without end are cut.
func TestLinesAreBounded(t *testing.T) {
	t.Parallel()
	var l Lines
	l.add(0, 1)
	l.add(10, 2)
	l.add(20, 3)
	l.add(10, 1)
	if l.At(15) != 1 || l.At(25) != 1 || len(l.changes) != 1 {
		t.Errorf("got %v", l.changes)
	}
	for i := range 2 * maxChanges {
		l.add(20+i, int32(i%1000+2))
	}
	if len(l.changes) != maxChanges || l.At(20+2*maxChanges) != 0 || l.Size() > 32*maxChanges {
		t.Errorf("%d changes of %d bytes, the last on line %d", len(l.changes), l.Size(), l.At(20+2*maxChanges))
	}
	var none *Lines
	if none.At(5) != 0 || none.Size() != 0 {
		t.Error("nothing is known of something")
	}
}

// FuzzLines replaces the table of lines of a sample. It never changes the text.
func FuzzLines(f *testing.F) {
	var files []File
	var texts []string
	for _, data := range compiled(f) {
		file, err := Read(data)
		if err != nil {
			f.Fatal(err)
		}
		files = append(files, file)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Version.String(), b.Version.String()) })
	for i, file := range files {
		text, _, _ := Render(file, 1<<16)
		texts = append(texts, string(text))
		f.Add(uint8(i), file.Code.FirstLine, file.Code.LineTable)
	}
	f.Fuzz(func(t *testing.T, which uint8, first int, table []byte) {
		k := int(which) % len(files)
		c := *files[k].Code
		c.FirstLine, c.LineTable = int(int32(first)), table
		text, lines, _ := Render(File{files[k].Version, &c}, 1<<16)
		if string(text) != texts[k] {
			t.Error("another table of lines gives another text")
		}
		for at := range text {
			if n := lines.At(at); n < 0 || n > maxLine {
				t.Errorf("byte %d is from line %d", at, n)
			}
		}
	})
}
