package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"kingsnake/capture"
	"kingsnake/classify/known"
)

func recordedFlag(fs *flag.FlagSet) *bool {
	return fs.Bool("recorded", false, "take only the files of installed distributions (*.dist-info/RECORD) that have the hash recorded there")
}

// addRecorded adds what the distributions that are installed in a folder
// recorded, where it is still as it was installed.
func addRecorded(env Env, b *known.Builder, origin, folder string) (skipped, error) {
	var s skipped
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == folder:
			return err
		case err != nil:
			s.unreadable++
			return nil
		case d.Name() != "RECORD" || !d.Type().IsRegular():
			return nil
		}
		dist, ok := strings.CutSuffix(filepath.Base(filepath.Dir(path)), ".dist-info")
		if !ok {
			return nil
		}
		files, err := readRecord(path)
		if err != nil {
			fmt.Fprintf(env.Stderr, "kingsnake known: %s: %s\n", visible(path), visible(err.Error()))
			s.unreadable++
			return nil
		}
		return addDistribution(env, b, origin+": "+dist, filepath.Dir(filepath.Dir(path)), files, &s)
	})
	return s, err
}

func readRecord(path string) ([]known.Recorded, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return known.ReadRecord(f)
}

// addDistribution adds the recorded Python files of one distribution, which
// lie below root.
func addDistribution(env Env, b *known.Builder, origin, root string, files []known.Recorded, s *skipped) error {
	for _, f := range files {
		path := filepath.Join(root, filepath.FromSlash(f.Path))
		if !isPython(path) {
			continue
		}
		text, err := readFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			s.changed++
			continue
		case err != nil:
			s.unreadable++
			continue
		case len(text) > capture.MaxText:
			s.unfit++
			continue
		}
		if sum := sha256.Sum256(text); !bytes.Equal(sum[:], f.Sum[:]) {
			fmt.Fprintf(env.Stderr, "kingsnake known: %s is not as it was installed\n", visible(path))
			s.changed++
			continue
		}
		ok, err := b.Add(visible(origin), visible(f.Path), text)
		if err != nil {
			return err
		}
		if !ok {
			s.unfit++
		}
	}
	return nil
}
