package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kingsnake/finding"
)

// spooling returns a client with its spool in dir.
func spooling(t *testing.T, s *server, dir string, change func(*Config)) *Client {
	t.Helper()
	return client(t, s, func(cfg *Config) {
		cfg.Spool = dir
		if change != nil {
			change(cfg)
		}
	})
}

func shut(t *testing.T, c *Client) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// spoolSize is how many bytes of segments lie in dir.
func spoolSize(t *testing.T, dir string) (size int64) {
	t.Helper()
	names, err := segmentNames(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return size
}

func TestWhatWaitsInTheSpoolIsSentByTheNextProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "a", "spool")
		away := &server{err: func(int) error { return errors.New("connection refused") }}
		c := spooling(t, away, dir, nil)
		put(t, c, "a", "b")
		stop := run(t, c)
		time.Sleep(10 * time.Second)
		put(t, c, "c")
		if err := stop(); err != nil {
			t.Errorf("findings that are safe are no error: %v", err)
		}
		check(t, "dropped", map[string]uint64{}, c.Dropped())
		shut(t, c)

		back := &server{}
		c = spooling(t, back, dir, nil)
		check(t, "queued", 3, c.Queued())
		put(t, c, "d")
		stop = run(t, c)
		synctest.Wait()
		check(t, "requests", [][]string{{"a", "b", "c", "d"}}, back.got)
		check(t, "trouble", "", c.Trouble())
		if err := stop(); err != nil {
			t.Error(err)
		}
		shut(t, c)
		check(t, "bytes left", int64(0), spoolSize(t, dir))
	})
}

func TestAServerThatIsAwayForLongLosesNothingWithASpool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var here atomic.Bool
		s := &server{err: func(int) error {
			if !here.Load() {
				return errors.New("connection refused")
			}
			return nil
		}}
		c := spooling(t, s, dir, func(cfg *Config) { cfg.MaxQueued = 3 })
		stop := run(t, c)
		var want []string
		for i := range 5000 {
			want = append(want, fmt.Sprint(i))
			put(t, c, want[i])
			if i%100 == 0 {
				time.Sleep(time.Minute)
			}
		}
		s.mu.Lock()
		s.got = nil
		s.mu.Unlock()
		here.Store(true)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		var got []string
		for _, names := range s.got {
			got = append(got, names...)
		}
		check(t, "arrived", want, got)
		check(t, "dropped", map[string]uint64{}, c.Dropped())
		if err := stop(); err != nil {
			t.Error(err)
		}
		shut(t, c)
		check(t, "bytes left", int64(0), spoolSize(t, dir))
	})
}

func TestASpoolIsBoundedAndKeepsRoomForTheWorst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := spooling(t, &server{}, dir, func(cfg *Config) { cfg.MaxSpool, cfg.MaxQueued = 100_000, 5 })
	defer shut(t, c)
	fill := func(s finding.Severity) {
		for range 200 {
			if err := c.Put(t.Context(), finding.Finding{Severity: s, Script: finding.Script{Contents: make([]byte, 1000)}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill(finding.Medium)
	if got := spoolSize(t, dir); got > 50_000 || got < 40_000 {
		t.Errorf("mild findings fill %d bytes of 100,000", got)
	}
	if c.held != 5 || !strings.Contains(c.Trouble(), "5 findings wait in memory only") {
		t.Errorf("%d in memory, %q", c.held, c.Trouble())
	}
	fill(finding.Critical)
	if got := spoolSize(t, dir); got > 100_000 || got < 90_000 {
		t.Errorf("all findings fill %d bytes of 100,000", got)
	}
	check(t, "all", 400, c.Queued()+int(c.Dropped()[dropFull]))
	for _, it := range c.queue[c.Queued()-5:] {
		if it.spooled == nil && it.rank != finding.Critical.Rank() {
			t.Error("a mild finding stayed in memory in the place of a worse one")
		}
	}
}

// full is a segment file on a disk with so many bytes left.
type full struct {
	segmentFile
	left *int
}

func (f full) Write(b []byte) (int, error) {
	n := min(len(b), *f.left)
	*f.left -= n
	if n < len(b) {
		written, _ := f.segmentFile.Write(b[:n])
		return written, errors.New("no space left on device")
	}
	return f.segmentFile.Write(b)
}

func TestAFullDiskMakesFindingsWaitInMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := &server{}
		c := spooling(t, s, dir, nil)
		left := 2000
		c.spool.create = func(path string) (segmentFile, error) {
			f, err := createSegment(path)
			return full{f, &left}, err
		}
		var want []string
		for i := range 20 {
			want = append(want, fmt.Sprint(i))
		}
		put(t, c, want...)
		if c.held == 0 || c.held == 20 || !strings.HasSuffix(c.Trouble(), "no space left on device") {
			t.Errorf("%d in memory, %q", c.held, c.Trouble())
		}
		held := c.held
		left = 1 << 20 // somebody made room
		want = append(want, "20", "21")
		put(t, c, "20", "21")
		check(t, "in memory", held, c.held)
		other, kept, damaged, err := openSpool(copyOf(t, dir), 1<<20) // as after a kill
		if err != nil || damaged != 0 || len(kept) != 22-held {
			t.Errorf("a killed process leaves %d findings and damage %d (%v), want %d", len(kept), damaged, err, 22-held)
		} else if err := other.close(); err != nil {
			t.Error(err)
		}
		stop := run(t, c)
		synctest.Wait()
		check(t, "requests", [][]string{want}, s.got)
		check(t, "trouble", "", c.Trouble())
		check(t, "dropped", map[string]uint64{}, c.Dropped())
		if err := stop(); err != nil {
			t.Error(err)
		}
		shut(t, c)
	})
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestADamagedSpoolGivesWhatIsWhole(t *testing.T) {
	t.Parallel()
	var whole []byte
	for i := range 3 {
		whole = append(whole, record(4, fmt.Appendf(nil, `{"name":"%d"}`, i))...)
	}
	each := len(whole) / 3
	for name, c := range map[string]struct {
		segment []byte
		want    int
		damaged int
	}{
		"nothing":                {nil, 0, 0},
		"whole":                  {whole, 3, 0},
		"a torn end":             {whole[:len(whole)-1], 2, 0},
		"a torn head":            {whole[:2*each+3], 2, 0},
		"zeros at the end":       {append(bytes.Clone(whole), make([]byte, 100)...), 3, 0},
		"a bit that turned over": {flip(whole, each+headRecord+4), 1, 1},
		"no spool at all":        {bytes.Repeat([]byte("text "), 100), 0, 1},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "0000000000000007.spool"), c.segment, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "notes.txt"), whole, 0o600); err != nil {
			t.Fatal(err)
		}
		s, left, damaged, err := openSpool(dir, 1<<20)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(left) != c.want || damaged != c.damaged {
			t.Errorf("%s: %d findings and %d damaged files, want %d and %d", name, len(left), damaged, c.want, c.damaged)
		}
		at, err := s.put(4, []byte("{}"))
		if err != nil || at.in.path != filepath.Join(dir, "0000000000000008.spool") {
			t.Errorf("%s: the next one went to %v, %v", name, at, err)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func TestASpoolHasOneOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := spooling(t, &server{}, dir, nil)
	if _, err := New(Config{URL: "https://server.example.com", Token: "t", Spool: dir}); err == nil || !strings.Contains(err.Error(), "another sensor uses it") {
		t.Errorf("opened twice: %v", err)
	}
	shut(t, c)
	shut(t, spooling(t, &server{}, dir, nil))
}

// FuzzSpool reads a segment of any bytes: what comes out is what was written, to
// the byte, and everything up to the first record that is not whole.
func FuzzSpool(f *testing.F) {
	one := record(4, []byte(`{"name":"a"}`))
	f.Add([]byte{}, []byte(`{}`), uint8(0))
	f.Add(one, []byte(`{"name":"b"}`), uint8(4))
	f.Add(one[:len(one)-3], []byte("\x00"), uint8(255))
	f.Add(append(bytes.Clone(one), 0xff, 0xff, 0xff, 0xff), []byte{}, uint8(1))
	f.Fuzz(func(t *testing.T, tail, json []byte, rank uint8) {
		if len(json) > maxFinding {
			return
		}
		written := record(int(rank), json)
		for _, segment := range [][]byte{tail, append(bytes.Clone(written), tail...), append(append(bytes.Clone(written), written...), tail...)} {
			var again []byte
			n := 0
			end := scanSegment(bytes.NewReader(segment), int64(len(segment)), func(at int64, r int, b []byte) bool {
				if !bytes.Equal(segment[at:at+int64(len(b))], b) {
					t.Fatal("a finding does not lie where it is said to")
				}
				again = append(again, record(r, b)...)
				n++
				return true
			})
			if !bytes.Equal(again, segment[:end]) {
				t.Fatalf("%d records are not the %d bytes they were read from", n, end)
			}
			if end < int64(len(segment)) {
				torn(bytes.NewReader(segment), end, int64(len(segment)))
			}
			if bytes.HasPrefix(segment, written) && n == 0 {
				t.Fatal("a whole record was not read")
			}
		}
	})
}

func BenchmarkSpool(b *testing.B) {
	c, err := New(Config{URL: "https://server.example.com", Token: "t", Spool: b.TempDir(), MaxSpool: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	f := finding.Finding{Severity: finding.Critical, Script: finding.Script{Contents: bytes.Repeat([]byte("x = 1\n"), 700)}}
	for b.Loop() {
		if err := c.Put(context.Background(), f); err != nil {
			b.Fatal(err)
		}
		c.mu.Lock()
		c.remove(0)
		c.mu.Unlock()
	}
}

var _ io.ReaderAt = gone{}
