package node

import (
	"net/http"
	"os"
	"path/filepath"
)

// registryAddress is where a node finds its images. It is the node's own
// loopback, on which containerd asks without TLS.
const registryAddress = "localhost:5000"

// reference returns the name under which a node pulls an image.
func reference(name string) string { return registryAddress + "/e2e/" + name + ":1" }

// registry serves images read-only, as much of the OCI distribution
// specification as it takes to pull.
func registry(images map[string]image) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /v2/e2e/{name}/manifests/{reference}", func(w http.ResponseWriter, r *http.Request) {
		i, ok := images[r.PathValue("name")]
		if ref := r.PathValue("reference"); !ok || ref != "1" && ref != i.digest {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", typeManifest)
		w.Header().Set("Docker-Content-Digest", i.digest)
		http.ServeFile(w, r, filepath.Join(i.dir, "manifest"))
	})
	mux.HandleFunc("GET /v2/e2e/{name}/blobs/{digest}", func(w http.ResponseWriter, r *http.Request) {
		i, ok := images[r.PathValue("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		// An image has two blobs; the manifest names both, the configuration
		// is the small one.
		path := filepath.Join(i.dir, "config")
		if text, err := os.ReadFile(path); err != nil || digestOf(text) != r.PathValue("digest") {
			path = filepath.Join(i.dir, "layer")
		}
		http.ServeFile(w, r, path)
	})
	return mux
}
