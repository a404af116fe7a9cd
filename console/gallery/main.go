// Command gallery serves the console with made-up findings, for people who work
// on it. It prints a one-time link to sign in with.
//
//	go run ./console/gallery -listen 127.0.0.1:8418 -n 5000
//	go run ./console/gallery -pictures FOLDER [SCREEN...]
//	go run ./console/gallery -pictures docs/console.png
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"kingsnake/console/auth"
	"kingsnake/console/consoletest"
	"kingsnake/finding"
	"kingsnake/store"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8418", "`address` to serve at")
	n := flag.Int("n", 200, "`number` of findings; 0 shows the console of a fresh start")
	save := flag.String("pictures", "", "instead of serving, save a picture of every screen in this `folder`; or that of the README in a file named .png")
	flag.Parse()
	if err := run(*listen, *save, *n); err != nil {
		fmt.Fprintln(os.Stderr, "gallery:", err)
		os.Exit(1)
	}
}

func run(listen, save string, n int) error {
	dir, err := os.MkdirTemp("", "kingsnake-gallery-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var findings []finding.Finding
	var sensors []finding.SensorStatus
	if n > 0 {
		findings = append(consoletest.Many(n), consoletest.Shell(), consoletest.Command(), consoletest.Stdin(), consoletest.Program(), consoletest.Hostile())
		sensors = consoletest.Sensors()
	}
	handler, s, a, err := consoletest.New(context.Background(), dir, findings, sensors)
	if err != nil {
		return err
	}
	if n > 0 {
		shell := consoletest.Stdin()
		for _, workload := range []string{"", shell.Workload.Key(shell.Process.Exe)} {
			rule := store.AllowRule{SHA256: shell.Script.SHA256, Workload: workload, Why: "It is the nightly inventory; see the runbook.", By: "console session 4f2a91c0", Created: consoletest.Now}
			if _, err := s.Allow(context.Background(), rule); err != nil {
				return err
			}
		}
	}
	if save != "" {
		server := httptest.NewServer(handler)
		defer server.Close()
		if strings.HasSuffix(save, ".png") {
			return readmePicture(save, server, a)
		}
		return pictures(save, flag.Args(), server, a)
	}
	token, err := a.Mint()
	if err != nil {
		return err
	}
	fmt.Println(auth.Link("http://"+listen, token))
	server := &http.Server{Addr: listen, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}
