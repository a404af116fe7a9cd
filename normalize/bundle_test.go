package normalize

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"kingsnake/normalize/bundle"
)

// bundleFile is an entry of a made bundle.
type bundleFile struct {
	kind       byte
	name, data string
}

// bundled makes a bundle of PyInstaller: a stub, an archive, and a cookie.
func bundled(files ...bundleFile) []byte {
	var body, table bytes.Buffer
	for k, f := range files {
		at, packed := body.Len(), k%2 == 0
		if packed {
			w := zlib.NewWriter(&body)
			_, _ = w.Write([]byte(f.data))
			_ = w.Close()
		} else {
			body.WriteString(f.data)
		}
		name := f.name + strings.Repeat("\x00", 16-len(f.name)%16)
		for _, n := range []int{bundle.EntrySize + len(name), at, body.Len() - at, len(f.data)} {
			_ = binary.Write(&table, binary.BigEndian, uint32(n))
		}
		table.WriteByte(byte(1 - k%2))
		table.WriteByte(f.kind)
		table.WriteString(name)
	}
	cookie := bytes.Clone(bundle.Magic)
	for _, n := range []int{body.Len() + table.Len() + bundle.CookieSize, body.Len(), table.Len(), 311} {
		cookie = binary.BigEndian.AppendUint32(cookie, uint32(n))
	}
	cookie = append(cookie, make([]byte, 64)...)
	return bytes.Join([][]byte{[]byte("\x7fELF stub "), body.Bytes(), table.Bytes(), cookie}, nil)
}

func TestBundles(t *testing.T) {
	t.Parallel()
	code := string(pyc(t)[16:])
	plain := bundled(bundleFile{'s', "main", code}, bundleFile{'s', "second", "import os\nos.system('id')\n"}, bundleFile{'s', "third", code[:len(code)-100]})
	lying := bytes.Clone(plain)
	binary.BigEndian.PutUint32(lying[len(lying)-bundle.CookieSize+12:], 1<<31)
	outside := bytes.Clone(plain)
	table := len(outside) - bundle.CookieSize - 3*(bundle.EntrySize+16)
	binary.BigEndian.PutUint32(outside[table+4:], 1<<31)
	for _, test := range []struct {
		name, want, note string
		script           []byte
	}{
		{"scripts", "pyinstaller+marshal:main! pyinstaller:second!", `read "third" in a PyInstaller bundle in part`, plain},
		{"signed", "pyinstaller+marshal:main! pyinstaller:second!", "", append(bytes.Clone(plain), make([]byte, 5000)...)},
		{"named like PyInstaller's own", "pyinstaller:pyi_rth_x! pyinstaller+marshal:main!", "left the modules",
			bundled(bundleFile{'m', "struct", code}, bundleFile{'s', "pyi_rth_x", "import os\n"}, bundleFile{'s', "main", code})},
		{"text", "pyinstaller:main!", "left the modules", bundled(bundleFile{'s', "main", "import os\nos.system('id')\n"}, bundleFile{'z', "PYZ", "PYZ\x00"})},
		{"ten thousand", "", "left 9976 scripts", bundled(many(10_000)...)},
		{"more than a table may hold", "", "longer than 16384 entries", bundled(many(17_000)...)},
		{"a lying cookie", "", "its cookie does not fit", lying},
		{"an entry outside", "pyinstaller:second! pyinstaller+marshal:third!", `left "main" in a PyInstaller bundle out: it lies outside`, outside},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text := Normalize(test.script)
			checkText(t, test.script, text)
			if got := show(text); test.want != "" && got != test.want {
				t.Errorf("want layers %q, got %q", test.want, got)
			}
			if notes := strings.Join(text.Notes, "\n"); !strings.Contains(notes, test.note) {
				t.Errorf("want a note %q, got %q", test.note, notes)
			}
		})
	}
}

// many are entries with different scripts.
func many(n int) []bundleFile {
	var files []bundleFile
	for i := range n {
		files = append(files, bundleFile{'s', fmt.Sprintf("m%d", i), fmt.Sprintf("number = %d\n", i)})
	}
	return files
}

func FuzzBundle(f *testing.F) {
	code := string(pyc(f)[16:])
	f.Add(bundled(bundleFile{'s', "main", code}, bundleFile{'s', "second", "x = 1\n"}))
	f.Add(bundled(bundleFile{'z', "PYZ", "PYZ\x00"}))
	f.Fuzz(func(t *testing.T, data []byte) { checkText(t, data, Normalize(data)) })
}
