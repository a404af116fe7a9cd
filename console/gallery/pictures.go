package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"

	"github.com/chromedp/chromedp"

	"kingsnake/console/auth"
	"kingsnake/console/consoletest"
)

// pictures saves a picture of every screen in dir, wide and narrow, light and
// dark; of those named in only, when any are.
func pictures(dir string, only []string, server *httptest.Server, a *auth.Auth) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	browser, stop, err := consoletest.NewBrowser(context.Background())
	if err != nil {
		return err
	}
	defer stop()
	if err := consoletest.SignIn(browser, server, a); err != nil {
		return err
	}
	for _, look := range []struct {
		name   string
		width  int64
		height int64
		dark   bool
	}{{"wide-light", 1360, 900, false}, {"wide-dark", 1360, 900, true}, {"narrow-light", 390, 844, false}, {"narrow-dark", 390, 844, true}} {
		if err := consoletest.Look(browser, look.width, look.height, look.dark); err != nil {
			return err
		}
		for _, screen := range consoletest.Screens() {
			if len(only) > 0 && !slices.Contains(only, screen.Name) {
				continue
			}
			if err := chromedp.Do(browser, chromedp.Navigate(server.URL+screen.Path)); err != nil {
				return fmt.Errorf("%s: %w", screen.Name, err)
			}
			data, err := chromedp.Run(browser, chromedp.FullScreenshot(100))
			if err != nil {
				return fmt.Errorf("%s: %w", screen.Name, err)
			}
			if err := os.WriteFile(filepath.Join(dir, screen.Name+"-"+look.name+".png"), data, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// readmePicture saves what README.md shows: the finding page, as far as a
// screen reaches.
func readmePicture(file string, server *httptest.Server, a *auth.Auth) error {
	browser, stop, err := consoletest.NewBrowser(context.Background())
	if err != nil {
		return err
	}
	defer stop()
	if err := consoletest.SignIn(browser, server, a); err != nil {
		return err
	}
	if err := consoletest.Look(browser, 1220, 1440, false); err != nil {
		return err
	}
	if err := chromedp.Do(browser, chromedp.Navigate(server.URL+"/findings/"+consoletest.Shell().Name)); err != nil {
		return err
	}
	data, err := chromedp.Run(browser, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}
