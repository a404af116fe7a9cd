package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"kingsnake/classify"
	"kingsnake/classify/model"
	"kingsnake/classify/signed"
	"kingsnake/normalize"
)

// judge is what this package asks of a model; a *classify.Model is one.
type judge interface {
	Judge(text normalize.Text) classify.Verdict
	Hash() string
	Thresholds() classify.Thresholds
}

// loaded is a model and where it came from.
type loaded struct {
	judge
	info Info
}

// Load reads a signed model file once, for commands that judge and end.
//
// Its errors are those of signed.Open and of classify.Load, with the file's
// name.
func Load(file string, keys []signed.PublicKey) (*classify.Model, Info, error) {
	data, err := readModel(file)
	if err != nil {
		return nil, Info{}, err
	}
	l, err := check(data, file, keys, parse)
	if err != nil {
		return nil, Info{}, fmt.Errorf("%s: %w", file, err)
	}
	return l.judge.(*classify.Model), l.info, nil
}

func readModel(file string) ([]byte, error) { return signed.ReadFile(file, signed.MaxFile) }

// parse reads a model whose signature was found good.
func parse(data []byte) (judge, error) {
	m, err := classify.Load(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return m, nil
}

func embedded() (judge, error) {
	m, err := model.Default()
	if err != nil {
		return nil, err
	}
	return m, nil
}

// check opens a signed model: first its signature, then the model, then whether
// it judges at all.
func check(data []byte, file string, keys []signed.PublicKey, parse func([]byte) (judge, error)) (l *loaded, err error) {
	s, err := signed.Open(data, keys)
	if err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			l, err = nil, fmt.Errorf("the classifier failed on this model: %v", r)
		}
	}()
	j, err := parse(s.Bytes)
	if err != nil {
		return nil, err
	}
	if !isHash(j.Hash()) {
		return nil, errors.New("the model has no hash")
	}
	j.Judge(normalize.Normalize([]byte("import os\nprint(os.name)\n")))
	return &loaded{j, Info{
		Hash: j.Hash(), File: file, Signer: s.By.Name, Key: s.By.Fingerprint(), Signed: s.Date, Note: s.Note,
		Size: len(s.Bytes),
	}.with(j.Thresholds())}, nil
}

// followed is a file that is read again whenever it has changed.
type followed struct {
	path    string
	read    fs.FileInfo // of what was read last
	waiting fs.FileInfo // of what is there now, until it rests
	hash    string      // of the good model that was read last; "" for none
	problem string      // why what was read last was refused
}

// look reads the file when it has changed and rests since the last look, or in
// any case when now is set. It returns nil data when there is nothing new.
func (f *followed) look(now bool) ([]byte, error) {
	st, err := os.Stat(f.path)
	if err != nil {
		f.read, f.waiting = nil, nil
		return nil, err
	}
	if !now {
		if sameVersion(st, f.read) {
			return nil, nil
		}
		// Who writes into the file instead of replacing it may not be done.
		if !sameVersion(st, f.waiting) {
			f.waiting = st
			return nil, nil
		}
	}
	f.read, f.waiting = st, nil
	return readModel(f.path)
}

func sameVersion(a, b fs.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
