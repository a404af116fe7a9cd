// Package console is where people see findings: server-rendered pages for
// signing in, the overview, the list of findings, one finding (Summary, JSON,
// Investigate), the sensors, the model and the settings.
//
// Each screen has a file here with its page struct and handler, and a folder in
// kingsnake/console/ui with its template and style. A handler parses the
// address, asks the store, builds the page struct of ready-to-show values,
// renders it into memory and only then writes. GET never changes state. Every
// screen works with scripts switched off.
//
// All text in a finding was written by someone who may be hostile. It reaches a
// page only as the type evidence, through html/template, under a content policy
// that allows no inline script or style.
//
// The package does not listen, does not serve the findings API
// (kingsnake/console/api) and sends nothing (kingsnake/console/notify).
package console

import (
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"kingsnake/console/auth"
	"kingsnake/console/health"
	"kingsnake/console/ui"
	"kingsnake/finding/scc"
	"kingsnake/store"
)

// Config is what the console needs. Store and Auth must be set.
type Config struct {
	Store store.Store
	Auth  *auth.Auth
	SCC   scc.Config // names that only Google Cloud has, for the JSON tab and the log filters

	Version string        // of this program
	DataDir string        // where findings rest, in words, for the settings page
	Notify  string        // where notifications go, for example "the webhook at example.com"; "" when nowhere
	Card    string        // of the embedded model, plain text; "" when there is none
	Models  func() Models // of this process; nil when nothing is judged in it
	Limits  store.Limits  // what is kept; shown, not enforced, here
	Health  health.Limits // from when on a sensor is not healthy

	Log *slog.Logger     // nil means slog.Default
	Now func() time.Time // nil means time.Now
}

// console serves the pages. It keeps no state of its own.
type console struct {
	Config
	assets    *ui.Assets
	templates map[string]*template.Template
}

// New returns the handler of the console. It serves every path it is given:
// mount it at "/", beside the findings API.
func New(config Config) http.Handler {
	if config.Log == nil {
		config.Log = slog.Default()
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	c := &console{Config: config, assets: ui.NewAssets(), templates: ui.Templates()}

	open := http.NewServeMux() // for everyone
	open.Handle("GET /assets/", c.assets)
	open.HandleFunc("GET /signin", c.signinPage)
	open.HandleFunc("POST /signin", c.signin)
	open.HandleFunc("POST /signout", c.signout)

	private := http.NewServeMux() // for those who are signed in
	private.HandleFunc("GET /{$}", c.overview)
	private.HandleFunc("GET /findings", c.findings)
	private.HandleFunc("GET /findings/{name}", c.finding)
	private.HandleFunc("GET /findings/{name}/json", c.json)
	private.HandleFunc("GET /findings/{name}/json/{form}", c.jsonDownload)
	private.HandleFunc("GET /findings/{name}/script", c.scriptDownload)
	private.HandleFunc("GET /findings/{name}/investigate", c.investigate)
	private.HandleFunc("POST /findings/{name}/allow", c.allow)
	private.HandleFunc("POST /allows/{id}/end", c.disallow)
	private.HandleFunc("GET /sensors", c.sensors)
	private.HandleFunc("POST /sensors/forget", c.forget)
	private.HandleFunc("GET /model", c.model)
	private.HandleFunc("GET /settings", c.settings)
	private.HandleFunc("/", c.nowhere)

	open.Handle("/", c.signedIn(private))
	return c.protect(open)
}
