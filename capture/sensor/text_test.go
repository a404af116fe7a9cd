package sensor

import (
	"bytes"
	"testing"

	"kingsnake/capture"
)

func TestATextIsWholeWhenNothingIsMissing(t *testing.T) {
	t.Parallel()
	type piece struct {
		at   int64
		text string
	}
	tests := map[string]struct {
		size   int64 // 0: a stream
		pieces []piece
		end    int64 // -1: none met
		whole  bool
		want   string
	}{
		"front to back":                        {6, []piece{{0, "abc"}, {3, "def"}}, -1, true, "abcdef"},
		"back to front":                        {6, []piece{{3, "def"}, {0, "abc"}}, -1, true, "abcdef"},
		"the last read of a byte counts":       {3, []piece{{0, "abc"}, {1, "X"}}, -1, true, "aXc"},
		"overlapping pieces":                   {6, []piece{{0, "abcd"}, {2, "cdef"}}, -1, true, "abcdef"},
		"a gap":                                {6, []piece{{0, "ab"}, {4, "ef"}}, 6, false, "abef"},
		"a gap that is filled":                 {6, []piece{{0, "ab"}, {4, "ef"}, {2, "cd"}}, -1, true, "abcdef"},
		"a stream without end":                 {0, []piece{{0, "abc"}}, -1, false, "abc"},
		"a stream with its end":                {0, []piece{{0, "abc"}}, 3, true, "abc"},
		"an empty stream":                      {0, nil, 0, true, ""},
		"a stream with a gap":                  {0, []piece{{0, "a"}, {2, "c"}}, 3, false, "ac"},
		"a file that ends before its size":     {6, []piece{{0, "abc"}}, 3, false, "abc"},
		"a piece before the beginning is none": {3, []piece{{-1, "abc"}}, -1, false, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := newText(tt.size)
			grown := 0
			for _, p := range tt.pieces {
				grown += text.write(p.at, []byte(p.text))
			}
			if tt.end >= 0 {
				text.eof(tt.end)
			}
			if text.whole() != tt.whole || string(text.content(0)) != tt.want || grown != len(text.bytes) {
				t.Errorf("want %q, whole %v; got %q, whole %v, grown %d", tt.want, tt.whole, text.content(0), text.whole(), grown)
			}
		})
	}
}

func TestATextIsCutAtTheBound(t *testing.T) {
	t.Parallel()
	text := newText(capture.MaxText + 10)
	text.write(0, make([]byte, capture.MaxText-5))
	text.write(capture.MaxText-5, []byte("0123456789"))
	text.write(capture.MaxText+5, []byte("01234"))
	if !text.whole() || !text.truncated || len(text.bytes) != capture.MaxText || text.total != capture.MaxText+10 {
		t.Errorf("got %d of %d bytes, whole %v, truncated %v", len(text.bytes), text.total, text.whole(), text.truncated)
	}
}

func TestPathsAreMadeOfTheirNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"b.py\x00a\x00":             "/a/b.py",
		"":                          "/",
		"memfd:x\x00":               "/memfd:x",
		"x\x00/\x00":                "/x",
		"with\nnewline\x00..\x00":   "/../with\nnewline",
		"no end of its last\x00tmp": "/tmp/no end of its last",
	} {
		if got := joinNames([]byte(in)); got != want {
			t.Errorf("%q: want %q, got %q", in, want, got)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte{0, 3, 3, 3, 1, 9, 200, 5})
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 2048 {
			return
		}
		text := newText(0)
		model := make(map[int64]byte)
		for ; len(in) >= 2; in = in[2:] {
			at, n := int64(in[0])*7, int(in[1])
			data := bytes.Repeat([]byte{in[0] ^ in[1]}, n)
			text.write(at, data)
			for i := range data {
				model[at+int64(i)] = data[i]
			}
		}
		if len(text.spans) < maxSpans && len(text.content(0)) != len(model) {
			t.Fatalf("want %d bytes, got %d", len(model), len(text.content(0)))
		}
		last := int64(-1)
		for _, s := range text.spans {
			if s.from <= last || s.to <= s.from || s.to > int64(len(text.bytes)) {
				t.Fatalf("spans out of order: %v", text.spans)
			}
			last = s.to
			for i := s.from; i < s.to; i++ {
				if text.bytes[i] != model[i] {
					t.Fatalf("byte %d: want %d, got %d", i, model[i], text.bytes[i])
				}
			}
		}
	})
}
