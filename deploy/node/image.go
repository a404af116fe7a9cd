package node

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"time"
)

// image is one container image, ready to be pulled: a folder with the files
// manifest, config and layer.
type image struct {
	dir    string
	digest string // of the manifest
}

// Media types of the OCI image specification, version 1.1.
const (
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar"
)

// epoch is the time of everything that has no time of its own, so that the same
// recipe gives the same image.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// descriptor points to a blob, as OCI writes it.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// openImage returns the image in dir, which makeImage made. The error wraps
// fs.ErrNotExist when it is not there.
func openImage(dir string) (image, error) {
	manifest, err := os.ReadFile(filepath.Join(dir, "manifest"))
	if err != nil {
		return image{}, err
	}
	return image{dir: dir, digest: digestOf(manifest)}, nil
}

// makeImage makes an image in dir out of one layer, which fill writes, unless
// it is there.
func makeImage(dir string, command []string, fill func(*layer) error) (image, error) {
	if i, err := openImage(dir); !errors.Is(err, fs.ErrNotExist) {
		return i, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return image{}, err
	}
	unfinished, err := os.MkdirTemp(filepath.Dir(dir), "new")
	if err != nil {
		return image{}, err
	}
	defer os.RemoveAll(unfinished) // finds nothing when all went well

	blob, err := writeLayer(filepath.Join(unfinished, "layer"), fill)
	if err != nil {
		return image{}, err
	}
	config, err := json.Marshal(map[string]any{
		"created": epoch, "architecture": goruntime.GOARCH, "os": "linux",
		"config": map[string]any{
			"Env": []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			"Cmd": command, "WorkingDir": "/",
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{blob.Digest}},
	})
	if err != nil {
		return image{}, err
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": typeManifest,
		"config": descriptor{typeConfig, digestOf(config), int64(len(config))},
		"layers": []descriptor{blob},
	})
	if err != nil {
		return image{}, err
	}
	for name, text := range map[string][]byte{"config": config, "manifest": manifest} {
		if err := os.WriteFile(filepath.Join(unfinished, name), text, 0o644); err != nil {
			return image{}, err
		}
	}
	if err := os.Rename(unfinished, dir); err != nil {
		return image{}, err
	}
	return openImage(dir)
}

// digestOf returns the digest of a blob as OCI writes it.
func digestOf(blob []byte) string {
	sum := sha256.Sum256(blob)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// layer is an image layer that is being written: a tar archive in which no path
// comes twice.
type layer struct {
	w    *tar.Writer
	have map[string]bool
}

// writeLayer writes a layer to path.
func writeLayer(path string, fill func(*layer) error) (descriptor, error) {
	file, err := os.Create(path)
	if err != nil {
		return descriptor{}, err
	}
	defer file.Close()
	sum := sha256.New()
	l := &layer{w: tar.NewWriter(io.MultiWriter(file, sum)), have: make(map[string]bool)}
	if err := fill(l); err != nil {
		return descriptor{}, err
	}
	if err := l.w.Close(); err != nil {
		return descriptor{}, err
	}
	size, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return descriptor{}, err
	}
	return descriptor{typeLayer, "sha256:" + hex.EncodeToString(sum.Sum(nil)), size}, file.Close()
}

// add writes one entry, which belongs to root. The second entry of a path is
// left out.
func (l *layer) add(h *tar.Header, body io.Reader) error {
	if l.have[h.Name] {
		return nil
	}
	l.have[h.Name] = true
	h.Uid, h.Gid, h.Uname, h.Gname = 0, 0, "", ""
	h.Format = tar.FormatPAX
	if err := l.w.WriteHeader(h); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	_, err := io.Copy(l.w, body)
	return err
}

func (l *layer) folder(name string, mode int64) error {
	return l.add(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, ModTime: epoch}, nil)
}

func (l *layer) link(name, target string) error {
	return l.add(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777, ModTime: epoch}, nil)
}

func (l *layer) file(name string, mode int64, text []byte) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(text)), ModTime: epoch}
	return l.add(h, bytes.NewReader(text))
}

// buildPause makes the image that containerd starts every pod with.
func buildPause(ctx context.Context, root string) (image, error) {
	temp, err := os.MkdirTemp("", "pause")
	if err != nil {
		return image{}, err
	}
	defer os.RemoveAll(temp)
	path := filepath.Join(temp, "pause")
	_, err = output(ctx, root, "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", path, "./deploy/node/pause")
	if err != nil {
		return image{}, err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return image{}, err
	}
	dir := filepath.Join(CacheDir(), "images", fmt.Sprintf("pause-%.16x", sha256.Sum256(program)))
	return makeImage(dir, []string{"/pause"}, func(l *layer) error {
		return l.file("pause", 0o755, program)
	})
}
