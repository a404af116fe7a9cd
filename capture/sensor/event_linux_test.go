//go:build amd64 || arm64

package sensor_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
	"kingsnake/capture/sensor"
)

// names makes the data of a path record: the last name first.
func names(parts ...string) []byte {
	var b []byte
	for i := len(parts) - 1; i >= 0; i-- {
		b = append(append(b, parts[i]...), 0)
	}
	return b
}

// story is the records of python3 /srv/script.py with a text in three pieces
// that come out of order, one of them twice.
func story(text []byte) [][]byte {
	args := []byte("python3\x00/srv/script.py\x00")
	size := uint64(len(text))
	cut1, cut2 := size/3, 2*size/3
	return [][]byte{
		sensor.Record(sensor.KindExe, 0, 0, 0, names("usr", "bin", "python3.11")),
		sensor.Record(sensor.KindArgs, 0, 0, 0, args),
		sensor.ExecRecord(len(args), 0),
		sensor.Record(sensor.KindPath, 7, 100, 0, names("usr", "lib", "python3.11", "encodings", "__init__.py")),
		sensor.Record(sensor.KindPath, 9, size, 0, names("srv", "script.py")),
		sensor.Record(sensor.KindData, 9, size, cut2, text[cut2:]),
		sensor.Record(sensor.KindData, 9, size, 0, text[:cut1]),
		sensor.Record(sensor.KindData, 9, size, 0, text[:cut2]),
		sensor.Record(sensor.KindEOF, 9, size, size, nil),
		sensor.Record(sensor.KindExit, 0, 0, 0, nil),
	}
}

func TestRecordsInAnyOrderOfOffsetsMakeTheText(t *testing.T) {
	t.Parallel()
	text := program(t, 40_000)
	var got []capture.Script
	f := sensor.NewFeeder(0, func(s capture.Script) { got = append(got, s) }, func(string) {})
	for i, raw := range story(text) {
		if !f.Feed(raw) {
			t.Fatalf("record %d is not well formed", i)
		}
	}
	if len(got) != 1 || got[0].Path != "/srv/script.py" || got[0].Digest != capture.Sum(text) || got[0].Lost != "" {
		t.Fatalf("want the script, got:%s", describe(got))
	}
}

func TestAMissingRecordIsSaidOnTheScript(t *testing.T) {
	t.Parallel()
	text := program(t, 3000)
	var got []capture.Script
	lost := make(map[string]int)
	f := sensor.NewFeeder(0, func(s capture.Script) { got = append(got, s) }, func(reason string) { lost[reason]++ })
	for i, raw := range story(text) {
		if i == 6 || i == 7 { // what has the beginning
			continue
		}
		f.Feed(raw)
	}
	if len(got) != 1 || got[0].Lost != "process ended early" || !bytes.Equal(got[0].Text, text[2*len(text)/3:]) || got[0].Size != int64(len(text)) {
		t.Errorf("want the end of the script and why the rest is missing, got:%s", describe(got))
	}
	if diff := cmp.Diff(map[string]int{"incomplete script": 1}, lost); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
}

func TestWhatIsNotReadOfAnArchiveIsSaidAndNotCounted(t *testing.T) {
	t.Parallel()
	text := archive(t, "__main__.py", string(program(t, 3000)))
	unread := []byte("kingsnake kingsnake ")
	from, to := bytes.Index(text, unread), bytes.LastIndex(text, unread)+len(unread)
	size := uint64(len(text))
	head, tail := sensor.Record(sensor.KindData, 9, size, 0, text[:from]), sensor.Record(sensor.KindData, 9, size, uint64(to), text[to:])
	exit := sensor.Record(sensor.KindExit, 0, 0, 0, nil)
	for name, c := range map[string]struct {
		records [][]byte
		says    string
		counted map[string]int
	}{
		"gone before it could be read whole": {[][]byte{tail, head, exit}, "archive read in part", map[string]int{}},
		"its end was never read":             {[][]byte{head, exit}, "process ended early", map[string]int{"incomplete script": 1}},
		"records of it were lost":            {[][]byte{tail, head, sensor.Lossy(exit)}, "exec ring full", map[string]int{"incomplete script": 1}},
		"the sensor stops before it ends":    {[][]byte{tail, head}, "sensor stopped", map[string]int{"incomplete script": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []capture.Script
			lost := make(map[string]int)
			f := sensor.NewFeeder(0, func(s capture.Script) { got = append(got, s) }, func(reason string) { lost[reason]++ })
			for _, raw := range append(story(text)[:4:4], append([][]byte{sensor.Record(sensor.KindPath, 9, size, 0, names("srv", "script.py"))}, c.records...)...) {
				f.Feed(raw)
			}
			f.Flush()
			if len(got) != 1 || got[0].Lost != c.says || got[0].Size != int64(size) {
				t.Errorf("want the archive, with %q said on it, got:%s", c.says, describe(got))
			}
			if diff := cmp.Diff(c.counted, lost); diff != "" {
				t.Errorf("lost (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzRecords(f *testing.F) {
	var seed []byte
	for _, raw := range story([]byte("print('hello, world, this is a seed')\n")) {
		seed = binary.LittleEndian.AppendUint16(seed, uint16(len(raw)))
		seed = append(seed, raw...)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, in []byte) {
		const memory = 1 << 20
		if len(in) > 256<<10 {
			return
		}
		feeder := sensor.NewFeeder(memory, func(s capture.Script) {
			if len(s.Text) > capture.MaxText || s.Digest != capture.Sum(s.Text) && len(s.Text) > 0 || int64(len(s.Text)) > s.Size {
				t.Errorf("script breaks its own rules: %d bytes of %d", len(s.Text), s.Size)
			}
		}, func(string) {})
		for len(in) >= 2 {
			n := min(int(binary.LittleEndian.Uint16(in)), len(in)-2)
			feeder.Feed(in[2 : 2+n])
			in = in[2+n:]
		}
		counted, real := feeder.Held()
		if counted != real {
			t.Errorf("%d bytes are counted, %d are held", counted, real)
		}
		feeder.Flush()
	})
}

func BenchmarkRecords(b *testing.B) {
	text := bytes.Repeat([]byte("x = 1  # a line of a script\n"), 300)
	records := story(text)
	var n int
	for _, raw := range records {
		n += len(raw)
	}
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		delivered := 0
		f := sensor.NewFeeder(0, func(capture.Script) { delivered++ }, func(string) {})
		for _, raw := range records {
			f.Feed(raw)
		}
		if delivered != 1 {
			b.Fatalf("want 1 script, got %d", delivered)
		}
	}
}

// TestAScriptThatWasReplacedBeforeItsExecIsKnown has the record of the exec come
// last, as it may: both texts that lay at the script's path come.
func TestAScriptThatWasReplacedBeforeItsExecIsKnown(t *testing.T) {
	t.Parallel()
	first, other := program(t, 3000), append(program(t, 3000), "# other\n"...)
	told := story(first)
	args := []byte("python3\x00/srv/script\x00") // a module's name would make one an import
	exec := [][]byte{told[0], sensor.Record(sensor.KindArgs, 0, 0, 0, args), sensor.ExecRecord(len(args), 0)}
	read := told[3:4:4]
	for i, text := range [][]byte{first, other} {
		ino, size := uint64(9+i), uint64(len(text))
		read = append(read, sensor.Record(sensor.KindPath, ino, size, 0, names("srv", "script")), sensor.Record(sensor.KindData, ino, size, 0, text))
	}
	var got []capture.Script
	f := sensor.NewFeeder(0, func(s capture.Script) { got = append(got, s) }, func(string) {})
	for _, raw := range append(append(read, exec...), told[len(told)-1]) {
		f.Feed(raw)
	}
	digests := map[capture.Digest]bool{}
	for _, s := range got {
		digests[s.Digest] = s.Kind == capture.File && s.Lost == ""
	}
	if !digests[capture.Sum(first)] || !digests[capture.Sum(other)] {
		t.Errorf("want both texts as scripts, got:%s", describe(got))
	}
}

// TestModulesComeWhateverIsAroundThem has what is around the records of a module be
// as it seldom is.
func TestModulesComeWhateverIsAroundThem(t *testing.T) {
	t.Parallel()
	data := func(text []byte, from, to int) []byte {
		return sensor.Record(sensor.KindData, 20, uint64(len(text)), uint64(from), text[from:to])
	}
	path := sensor.Record(sensor.KindPath, 20, 3000, 0, names("srv", "module.py"))
	exit := sensor.Record(sensor.KindExit, 0, 0, 0, nil)
	one := program(t, 3000)[:3000]
	two := append(one[:2990:2990], "# another\n"...)
	short := one[:100]
	for name, c := range map[string]struct {
		records [][]byte
		want    [][]byte
	}{
		"another of that length within a tick of the clock": {[][]byte{path, data(one, 0, 3000), data(two, 0, 3000), exit}, [][]byte{one, two}},
		"a longer one was there, and read in part":          {[][]byte{path, data(one, 0, 2000), data(short, 0, 100), exit}, [][]byte{short}},
		"the parent ends while its child reads": {
			[][]byte{sensor.InChild(path), sensor.InChild(data(one, 0, 1000)), exit, sensor.InChild(data(one, 1000, 3000)), sensor.InChild(exit)}, [][]byte{one},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := story(program(t, 500))
			var got [][]byte
			f := sensor.NewFeeder(0, func(s capture.Script) {
				if s.Kind == capture.Import {
					got = append(got, s.Text)
				}
			}, func(reason string) { t.Errorf("lost: %s", reason) })
			for _, raw := range append(told[:len(told)-1:len(told)-1], c.records...) {
				f.Feed(raw)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("modules (-want +got):\n%s", diff)
			}
		})
	}
}

// TestStandardInputThatComesBeforeItsExecIsKnown has the record of the exec come last,
// as it may: of a program that was given -i, standard input runs after its script.
func TestStandardInputThatComesBeforeItsExecIsKnown(t *testing.T) {
	t.Parallel()
	told, text := story(nil), program(t, 3000)
	args := []byte("python3\x00-i\x00-c\x00x = 1\x00")
	var got []string
	f := sensor.NewFeeder(0, func(s capture.Script) { got = append(got, string(s.Kind)+" "+string(s.Text)) }, func(string) {})
	for _, raw := range [][]byte{
		told[3],
		sensor.OfStdin(sensor.Record(sensor.KindPath, 30, 0, 0, names("pipe:[30]"))),
		sensor.OfStdin(sensor.Record(sensor.KindData, 30, 0, 0, text)),
		sensor.OfStdin(sensor.Record(sensor.KindEOF, 30, 0, uint64(len(text)), nil)),
		told[0], sensor.Record(sensor.KindArgs, 0, 0, 0, args), sensor.ExecRecord(len(args), 0),
		told[len(told)-1],
	} {
		f.Feed(raw)
	}
	if diff := cmp.Diff([]string{"c x = 1", "stdin " + string(text)}, got); diff != "" {
		t.Errorf("scripts (-want +got):\n%s", diff)
	}
}
