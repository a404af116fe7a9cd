package consoletest

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"kingsnake/console/auth"
)

// FindBrowser returns the path of Chromium: the environment's CHROMIUM, or the
// first one on the path. Its error says how to get one.
func FindBrowser() (string, error) {
	names := []string{"chromium", "chromium-browser", "google-chrome", "chrome"}
	if name := os.Getenv("CHROMIUM"); name != "" {
		names = []string{name}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium: apt-get install chromium, or set CHROMIUM to one")
}

// NewBrowser starts a headless Chromium that keeps nothing and reaches nothing
// but what it is told to load. Tabs are made of the context with
// chromedp.NewContext. Call stop when done.
func NewBrowser(ctx context.Context) (browser context.Context, stop func(), err error) {
	path, err := FindBrowser()
	if err != nil {
		return nil, nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU)
	for _, flag := range []string{"disable-quic", "disable-component-update", "hide-scrollbars"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	alloc, stopAlloc := chromedp.NewExecAllocator(ctx, options...)
	browser, stopBrowser := chromedp.NewContext(alloc)
	stop = func() { stopBrowser(); stopAlloc() }
	if err := chromedp.Do(browser); err != nil {
		stop()
		return nil, nil, err
	}
	return browser, stop, nil
}

// SignIn gives a tab the cookie of a fresh session at server.
func SignIn(tab context.Context, server *httptest.Server, a *auth.Auth) error {
	token, err := a.Mint()
	if err != nil {
		return err
	}
	s, err := a.SignIn(token)
	if err != nil {
		return err
	}
	yes := true
	_, err = chromedp.Call(tab, network.SetCookie, network.SetCookieParams{
		Name: "kingsnake_session", Value: s.Cookie, URL: server.URL, HTTPOnly: &yes, SameSite: network.CookieSameSiteStrict,
	})
	return err
}

// Look sets a tab's size in CSS pixels and its color scheme, and asks pages for
// less motion.
func Look(tab context.Context, width, height int64, dark bool) error {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	_, err := chromedp.Call(tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600,
	})
	if err != nil {
		return err
	}
	_, err = chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	return err
}
