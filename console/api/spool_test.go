package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kingsnake/finding/push"
	"kingsnake/store/mem"
)

// A process with these in its environment is a sensor that is to be killed.
const (
	spoolEnv = "KINGSNAKE_TEST_SPOOL"
	fromEnv  = "KINGSNAKE_TEST_FROM"
	urlEnv   = "KINGSNAKE_TEST_URL"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(spoolEnv); dir != "" {
		fmt.Fprintln(os.Stderr, pushForever(dir, os.Getenv(urlEnv), os.Getenv(fromEnv)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// pushForever puts one finding after another and prints the number of each
// after Put returned, while it sends what it can.
func pushForever(dir, url, from string) error {
	client, err := push.New(push.Config{URL: url, Token: sensorToken, Spool: dir})
	if err != nil {
		return err
	}
	go client.Run(context.Background())
	n, err := strconv.Atoi(from)
	for ; err == nil; n++ {
		if err = client.Put(context.Background(), example(n)); err == nil {
			fmt.Println(n)
		}
	}
	return err
}

func TestAKilledSensorLosesNothingItSpooledAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	s, dir := mem.New(), t.TempDir()
	var requests atomic.Int64
	handler := serve(s)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch requests.Add(1) % 8 {
		case 0: // taken, and the sensor never learns of it
			handler.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			handler.ServeHTTP(w, r)
		}
	}))
	defer web.Close()

	put := map[int]bool{}
	for run := range 6 {
		for _, n := range killedAfter(t, dir, web.URL, run*10_000, 30+60*run) {
			put[n] = true
		}
	}
	client, err := push.New(push.Config{URL: web.URL, Token: sensorToken, Spool: dir, Drain: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := client.Run(stopped); err != nil { // hands over what waits
		t.Error(err)
	}
	if n := client.Queued(); n != 0 || len(client.Dropped()) != 0 {
		t.Errorf("%d wait, dropped %v", n, client.Dropped())
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	for n := range put {
		f, err := s.Get(t.Context(), example(n).Name)
		if err != nil || f.Count != 1 {
			t.Errorf("finding %d: counted %d times, %v", n, f.Count, err)
		}
	}
	if st, err := s.Stats(t.Context()); err != nil || st.Findings < int64(len(put)) {
		t.Errorf("%d findings stored of %d put, %v", st.Findings, len(put), err)
	}
}

// killedAfter starts a sensor, kills it -9 when it has put so many findings,
// and returns the numbers of all it did put.
func killedAfter(t *testing.T, dir, url string, from, lines int) []int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), spoolEnv+"="+dir, urlEnv+"="+url, fmt.Sprintf("%s=%d", fromEnv, from))
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var put []int
	read := bufio.NewReader(out)
	for {
		line, err := read.ReadString('\n')
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			break
		}
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("it says %q; %s", line, complaint.String())
		}
		if put = append(put, n); len(put) == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	if len(put) < lines {
		t.Fatalf("it put %d findings and ended: %s", len(put), complaint.String())
	}
	return put
}
