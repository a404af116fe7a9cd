package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// The files of a data folder.
const (
	fileLock        = "lock"
	fileAddress     = "address"      // the console's URL while an instance runs
	fileReadToken   = "read.token"   // reads the API
	fileSensorToken = "sensor.token" // pushes findings
	fileStore       = "findings.db"
)

// dataDir is a folder that one running instance owns: the database, the tokens
// and the address it listens on. Nobody else on the machine can read it.
type dataDir struct {
	path string
	lock *os.File
}

// defaultData is where an instance keeps its data unless told otherwise.
func defaultData(env Env) string {
	if d := env.Getenv("KINGSNAKE_DATA"); d != "" {
		return d
	}
	if os.Geteuid() == 0 {
		return "/var/lib/kingsnake"
	}
	if d := env.Getenv("XDG_DATA_HOME"); d != "" {
		return filepath.Join(d, "kingsnake")
	}
	return filepath.Join(env.Getenv("HOME"), ".local", "share", "kingsnake")
}

// openData makes the folder when it is missing and takes it for this process.
func openData(path string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %v; choose another with --data", err)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		return nil, fmt.Errorf("close the data folder to others: %v; choose another with --data", err)
	}
	f, err := os.OpenFile(filepath.Join(path, fileLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %v", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another kingsnake runs on the data folder %s; stop it, or choose another folder with --data", path)
		}
		return nil, fmt.Errorf("lock the data folder: %v", err)
	}
	return &dataDir{path, f}, nil
}

// Close gives the folder back and withdraws the address.
func (d *dataDir) Close() {
	os.Remove(d.file(fileAddress))
	d.lock.Close()
}

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// token returns the token in the named file, and makes one on first use.
func (d *dataDir) token(name string) (string, error) {
	got, err := readToken(d.file(name))
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return got, err
	}
	b := make([]byte, 32)
	rand.Read(b)
	tok := base64.RawURLEncoding.EncodeToString(b)
	return tok, d.write(name, tok+"\n")
}

// write replaces a small file in one step.
func (d *dataDir) write(name, content string) error {
	tmp := d.file(name + ".new")
	if err := os.WriteFile(tmp, []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, d.file(name))
}

// readToken reads a token from a file of one line.
func readToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	tok := strings.TrimSpace(string(b))
	if len(tok) < 16 || strings.ContainsAny(tok, " \t\r\n") {
		return "", fmt.Errorf("%s holds no token: want one line of at least 16 characters", path)
	}
	return tok, nil
}

// readAddress returns the URL of the instance that runs on a data folder.
func readAddress(path string) (string, error) {
	b, err := os.ReadFile(filepath.Join(path, fileAddress))
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("no kingsnake runs on the data folder %s; start one with \"kingsnake up\", or name its folder with --data", path)
	}
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}

// dataHint is the flag that other commands need to find an instance whose data
// folder is not the default, or "".
func dataHint(path string) string {
	if path == defaultData(Env{Getenv: os.Getenv}) {
		return ""
	}
	return " --data " + path
}
