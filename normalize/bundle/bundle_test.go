package bundle

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"testing"
)

// entry is a line of a made bundle's table, with its data.
type entry struct {
	kind byte
	data string
}

// made is a bundle behind a stub.
func made(stub int, entries ...entry) []byte {
	body, table := make([]byte, 0, 64), []byte{}
	for _, e := range entries {
		for _, n := range []int{EntrySize + 4, len(body), len(e.data), len(e.data)} {
			table = binary.BigEndian.AppendUint32(table, uint32(n))
		}
		table = append(append(table, 0, e.kind), "abc\x00"...)
		body = append(body, e.data...)
	}
	return append(make([]byte, stub), seal(body, table, append(bytes.Clone(Magic), make([]byte, CookieSize-len(Magic))...))...)
}

func TestScripts(t *testing.T) {
	lying := made(100, entry{'s', "one"})
	binary.BigEndian.PutUint32(lying[len(lying)-CookieSize+12:], 1<<31)
	alone := made(0, entry{'s', "one"}, entry{'z', ""}, entry{'s', "two"})
	clear(alone[6+EntrySize+4+4:][:12]) // an archive of modules keeps its line alone
	for _, test := range []struct {
		name  string
		data  []byte
		limit int64
		want  []byte
	}{
		{"scripts alone", made(1<<20, entry{'b', "library"}, entry{'s', "one"}, entry{'z', "modules"}, entry{'s', "two"}), 1 << 20,
			alone},
		{"no bundle", make([]byte, 1000), 1 << 20, nil},
		{"empty", nil, 1 << 20, nil},
		{"a lying cookie", lying, 1 << 20, nil},
		{"no room", made(0, entry{'s', "one"}), CookieSize + 2*EntrySize + 4, outsideOf("one")},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Scripts(bytes.NewReader(test.data), int64(len(test.data)), test.limit)
			if !bytes.Equal(got, test.want) {
				t.Errorf("want %q, got %q", test.want, got)
			}
		})
	}
}

func TestEach(t *testing.T) {
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	w.Write([]byte("two"))
	w.Close()
	b := made(7, entry{'s', "one"}, entry{'m', "module"}, entry{'s', packed.String()}, entry{'s', "three"})
	second := len(b) - CookieSize - 2*(EntrySize+4)
	b[second+16] = 1
	for limit, want := range map[int]string{1 << 20: "one two three ", 40: "one two thre ", EntrySize: "one "} {
		got := ""
		Each(Scripts(bytes.NewReader(b), int64(len(b)), 1<<20), limit, func(e Entry, text []byte) { got += string(text) + " " })
		if got != want {
			t.Errorf("limit %d: want %q, got %q", limit, want, got)
		}
	}
}

// outsideOf is a bundle whose only script was left out.
func outsideOf(data string) []byte {
	b := made(0, entry{'s', ""})
	binary.BigEndian.PutUint32(b[4:], 1<<32-1)
	binary.BigEndian.PutUint32(b[8:], uint32(len(data)))
	binary.BigEndian.PutUint32(b[12:], uint32(len(data)))
	return b
}

func FuzzScripts(f *testing.F) {
	f.Add(made(10, entry{'b', "library"}, entry{'s', "one"}, entry{'z', "modules"}), int64(1000))
	f.Fuzz(func(t *testing.T, data []byte, limit int64) {
		small := Scripts(bytes.NewReader(data), int64(len(data)), limit)
		if small != nil && int64(len(small)) > limit {
			t.Errorf("%d bytes, more than %d", len(small), limit)
		}
		room := 1000
		Each(data, room, func(_ Entry, text []byte) { room -= len(text) })
		if room < 0 {
			t.Errorf("%d bytes more than were asked for", -room)
		}
	})
}
