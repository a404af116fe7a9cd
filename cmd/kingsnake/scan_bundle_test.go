package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"kingsnake/capture"
	"kingsnake/normalize"
)

// A bundle is mostly libraries: its scripts are read however large it is.
func TestScanReadsTheScriptsOfALargeBundle(t *testing.T) {
	const script = "import os\nos.system('id')\n"
	data := append(make([]byte, capture.MaxText+1), script...)
	for _, n := range []int{18 + 8, 0, len(script), len(script)} {
		data = binary.BigEndian.AppendUint32(data, uint32(n))
	}
	data = append(data, "\x00smain\x00\x00\x00\x00MEI\x0c\x0b\x0a\x0b\x0e"...)
	for _, n := range []int{len(script) + 26 + 88, len(script), 26, 311} {
		data = binary.BigEndian.AppendUint32(data, uint32(n))
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, append(data, make([]byte, 64)...), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := readFile(path)
	if err != nil {
		t.Fatal(err)
	}
	layers := normalize.Normalize(text).Layers
	if last := layers[len(layers)-1]; last.Name != "main" || string(last.Text) != script {
		t.Errorf("want the script, got %d layers, the last %q: %q", len(layers), last.Name, last.Text)
	}
}
