package known

import (
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	slash "path"
	"strings"
)

// Limits on a RECORD.
const (
	maxRecord     = 16 << 20 // bytes
	maxRecordRows = 1 << 17
)

// Recorded is a file that a RECORD lists with its SHA-256.
type Recorded struct {
	Path string // relative to the folder that the dist-info folder lies in, with slashes
	Sum  [32]byte
}

// ReadRecord reads the list of files of an installed distribution (RECORD, see
// Python's "Recording installed projects"). Files without a SHA-256, such as
// compiled ones and the list itself, are left out, and so is what lies outside
// the folder.
//
// Whoever installs a file writes the list as well. It says which files are as
// they were installed, and never that they are good: see
// docs/adr/0009-known-files.md.
func ReadRecord(r io.Reader) ([]Recorded, error) {
	limited := &io.LimitedReader{R: r, N: maxRecord + 1}
	in := csv.NewReader(limited)
	in.FieldsPerRecord, in.ReuseRecord = -1, true
	var files []Recorded
	for rows := 0; ; rows++ {
		row, err := in.Read()
		switch {
		case limited.N == 0:
			return nil, fmt.Errorf("read RECORD: larger than %d MiB", maxRecord>>20)
		case errors.Is(err, io.EOF):
			return files, nil
		case err != nil:
			return nil, fmt.Errorf("read RECORD: %v", err)
		case rows == maxRecordRows:
			return nil, fmt.Errorf("read RECORD: more than %d files", maxRecordRows)
		case len(row) != 3:
			return nil, fmt.Errorf("read RECORD: line %d has %d fields, want 3", rows+1, len(row))
		}
		if f, ok := recorded(row[0], row[1]); ok {
			files = append(files, f)
		}
	}
}

func recorded(name, hash string) (f Recorded, ok bool) {
	digest, ok := strings.CutPrefix(hash, "sha256=")
	if !ok {
		return f, false
	}
	sum, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(digest, "="))
	clean := slash.Clean(name)
	if err != nil || len(sum) != len(f.Sum) || slash.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsAny(clean, "\\\x00") {
		return f, false
	}
	f.Path = clean
	copy(f.Sum[:], sum)
	return f, true
}
