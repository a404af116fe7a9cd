package node

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kingsnake/deploy/deb"
)

// The tests are in the package because images are an inner matter of a node;
// deploy/e2e tests the node from outside.

// debianPackage is the archive inside a Debian package.
func debianPackage(t *testing.T) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "./bin/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "./bin/tool", Mode: 0o755, Size: 4, Uid: 1000, Uname: "builder"},
		{Typeflag: tar.TypeLink, Name: "./usr/bin/same", Linkname: "./bin/tool", Mode: 0o755},
		{Typeflag: tar.TypeSymlink, Name: "./usr/bin/.hidden", Linkname: "tool", Mode: 0o777},
		{Typeflag: tar.TypeReg, Name: "./usr/bin/tool", Mode: 0o644, Size: 4},
		{Typeflag: tar.TypeReg, Name: "./usr/share/doc/tool/README", Mode: 0o644, Size: 4},
		{Typeflag: tar.TypeReg, Name: "./usr/share/doctor", Mode: 0o644, Size: 4},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "text"[:h.Size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestPackagesBecomeALayer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "layer")
	blob, err := writeLayer(path, func(l *layer) error { return deb.EachIn(tar.NewReader(debianPackage(t)), l.addDebian) })
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := (descriptor{typeLayer, digestOf(text), int64(len(text))}); blob != want {
		t.Errorf("want %v, got %v", want, blob)
	}
	var got []string
	r := tar.NewReader(bytes.NewReader(text))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Uname != "" {
			t.Errorf("%s belongs to %d %q", h.Name, h.Uid, h.Uname)
		}
		got = append(got, strings.TrimSpace(h.Name+" "+h.Linkname))
	}
	want := []string{"usr/bin", "usr/bin/tool", "usr/bin/same usr/bin/tool", "usr/bin/.hidden tool", "usr/share/doctor"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layer: -want +got\n%s", diff)
	}
}

func TestRegistryServesWhatTheManifestNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fill := func(l *layer) error { return l.file("hello", 0o644, []byte("hello")) }
	made, err := makeImage(filepath.Join(dir, "a", "one"), []string{"/hello"}, fill)
	if err != nil {
		t.Fatal(err)
	}
	again, err := makeImage(filepath.Join(dir, "b", "two"), []string{"/hello"}, fill)
	if err != nil || again.digest != made.digest {
		t.Errorf("the same recipe gave %s and %s, %v", made.digest, again.digest, err)
	}

	server := httptest.NewServer(registry(map[string]image{"hello": made}))
	defer server.Close()
	get := func(path string) []byte {
		answer, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", path, answer.Status, err)
		}
		return text
	}
	get("/v2/")
	byTag := get("/v2/e2e/hello/manifests/1")
	byDigest := get("/v2/e2e/hello/manifests/" + made.digest)
	if !bytes.Equal(byTag, byDigest) || digestOf(byTag) != made.digest {
		t.Errorf("by tag %s, by digest %s, want %s", digestOf(byTag), digestOf(byDigest), made.digest)
	}
	var manifest struct {
		Config descriptor   `json:"config"`
		Layers []descriptor `json:"layers"`
	}
	if err := json.Unmarshal(byTag, &manifest); err != nil {
		t.Fatal(err)
	}
	for _, want := range append(manifest.Layers, manifest.Config) {
		text := get("/v2/e2e/hello/blobs/" + want.Digest)
		if got := (descriptor{want.MediaType, digestOf(text), int64(len(text))}); got != want {
			t.Errorf("want %v, got %v", want, got)
		}
	}
	for _, path := range []string{"/v2/e2e/other/manifests/1", "/v2/e2e/hello/manifests/2", "/v2/e2e/other/blobs/x", "/"} {
		answer, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: want 404, got %s", path, answer.Status)
		}
	}
}
