package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
	"kingsnake/deploy/node"
)

// runs is how many containers the test of attribution starts: KINGSNAKE_RUNS, or
// few enough for every day.
func runs(t *testing.T) int {
	t.Helper()
	text := os.Getenv("KINGSNAKE_RUNS")
	if text == "" {
		return 50
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("KINGSNAKE_RUNS=%q is no number of runs", text)
	}
	return n
}

// place is where a script ran, as the trace says.
type place struct{ ID, Name, Image, Namespace, Pod, UID string }

// TestShortLivedContainersAreNamed starts containers that live from as long as
// Python needs to start up to five seconds and are removed at once when they
// end, several at a time. Each runs a script of its own, by which it is told
// apart; where each ran must be known, and right.
func TestShortLivedContainersAreNamed(t *testing.T) {
	n := needNode(t)
	count := runs(t)
	trace := startTrace(t, n.Socket)
	nonce := fmt.Sprintf("attribution-%d-%d-", os.Getpid(), time.Now().UnixNano())

	var mu sync.Mutex
	want := make(map[string]place)
	var lives []time.Duration
	started, complete := make(chan error, 1), make(chan struct{})
	go func() {
		started <- startMany(t.Context(), n, count, nonce, func(script string, at place, lived time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			want[script] = at
			lives = append(lives, lived)
		})
		// What is traced last may still be on its way.
		select {
		case <-complete:
		case <-time.After(patience):
		}
		trace.interrupt()
	}()

	got, closed := make(map[string]place), false
	for l := range trace.lines(t) {
		if l.Kind != capture.Command {
			continue // a module that a script imported
		}
		for _, arg := range l.Argv {
			if !strings.HasPrefix(arg, "# "+nonce) {
				continue
			}
			script, _, _ := strings.Cut(arg, "\n")
			if _, twice := got[script]; twice {
				t.Errorf("%s was traced twice", script)
				continue
			}
			got[script] = place{l.Container.ID, l.Container.Name, l.Container.Image, l.Pod.Namespace, l.Pod.Name, l.Pod.UID}
		}
		if len(got) == count && !closed {
			closed = true
			close(complete)
		}
	}
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	wrong := 0
	for script, at := range want {
		if diff := cmp.Diff(at, got[script]); diff != "" {
			if wrong++; wrong <= 10 {
				t.Errorf("%s: -want +got\n%s", script, diff)
			}
		}
	}
	t.Logf("%d of %d containers named right, which lived %s; trace: %s", len(want)-wrong, count, spread(lives), trace.end(t))
	if len(want) != count {
		t.Errorf("%d containers ran, want %d", len(want), count)
	}
}

// spread says in words how long containers lived.
func spread(lives []time.Duration) string {
	if len(lives) == 0 {
		return "not at all"
	}
	slices.Sort(lives)
	at := func(share float64) time.Duration {
		return lives[int(share*float64(len(lives)-1))].Round(time.Millisecond)
	}
	return fmt.Sprintf("%v to %v, half of them up to %v and a tenth up to %v", at(0), at(1), at(0.5), at(0.1))
}

// startMany runs count containers in a few pods, several at a time, and tells
// where each script ran and how long its container lived.
func startMany(ctx context.Context, n *node.Node, count int, nonce string, ran func(script string, at place, lived time.Duration)) error {
	const atOnce, pods = 6, 5
	var all []*node.Pod
	for i := range pods {
		pod, err := n.RunPod(ctx, "shop", fmt.Sprintf("brief-%d", i), map[string]string{"app": "brief"})
		if err != nil {
			return err
		}
		all = append(all, pod)
	}
	next := make(chan int)
	errs := make(chan error, atOnce)
	for range atOnce {
		go func() {
			for i := range next {
				// The shortest end as soon as Python does, one in ten lives long.
				sleep := 0.0
				switch i % 10 {
				case 0:
					sleep = float64(i%60) / 10
				case 1, 2, 3:
					sleep = float64(i%10) / 10
				}
				script := fmt.Sprintf("# %s%d", nonce, i)
				c := node.Container{
					Name:    fmt.Sprintf("c-%d", i),
					Command: []string{"python3", "-c", fmt.Sprintf("%s\nimport time; time.sleep(%v)", script, sleep)},
				}
				pod := all[i%pods]
				id, err := pod.Run(ctx, c)
				if err != nil {
					errs <- err
					return
				}
				// Not every runtime's client waits until the end to remove it.
				exit, err := n.Wait(ctx, id)
				if err != nil {
					errs <- err
					return
				}
				ran(script, place{id, c.Name, n.Python().Reference, "shop", fmt.Sprintf("brief-%d", i%pods), pod.UID}, exit.Lived)
				if err := n.Remove(ctx, id); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for i := range count {
		select {
		case next <- i:
		case err := <-errs:
			return err
		}
	}
	close(next)
	for range atOnce {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}
