package apart_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kingsnake/capture"
	"kingsnake/detect/apart"
	"kingsnake/normalize"
)

// role is the variable that makes this test binary a process of a pool, and
// says how it behaves.
const role = "KINGSNAKE_APART_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "honest":
		if err := apart.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		misbehave(os.Getenv(role))
	}
}

// misbehave is an honest normalizer until a script says "now".
func misbehave(how string) {
	in, out := io.Pipe()
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := os.Stdin.Read(buf)
			if bytes.Contains(buf[:n], []byte("now")) {
				switch how {
				case "overflow":
					debug.SetMaxStack(8 << 20)
					fmt.Fprintln(os.Stderr, overflow(0))
				case "loop":
					for forever := uint64(1); forever != 0; forever |= 1 {
					}
				case "sleep":
					time.Sleep(time.Hour)
				case "garbage":
					_, _ = os.Stdout.Write(binary.LittleEndian.AppendUint32(nil, 5))
					_, _ = os.Stdout.WriteString("hello")
				case "endless":
					_, _ = os.Stdout.Write(binary.LittleEndian.AppendUint32(nil, 1<<31))
				case "leave":
					os.Exit(0)
				}
				continue
			}
			if err != nil {
				_ = out.CloseWithError(err)
				return
			}
			_, _ = out.Write(buf[:n])
		}
	}()
	_ = apart.Serve(in, os.Stdout)
}

// overflow uses up the stack: no test counts that far.
func overflow(n int) int {
	if n < 0 {
		return 0
	}
	return overflow(n+1) + 1
}

func pool(t testing.TB, how string, timeout time.Duration) *apart.Pool {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := apart.New(apart.Config{Path: self, Args: []string{self}, Env: []string{role + "=" + how}, Workers: 2, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

const hidden = "import base64\nexec(base64.b64decode('cHJpbnQoMSkKcHJpbnQoMikKcHJpbnQoMykK'))\n"

func TestNormalizeIsTheSameApart(t *testing.T) {
	t.Parallel()
	p := pool(t, "honest", 0)
	for _, src := range []string{"", "print(1)\n", hidden, strings.Repeat("x = 'a' + 'b'\n", 1<<16), strings.Repeat("#", capture.MaxText)} {
		got, err := p.Normalize([]byte(src))
		if err != nil {
			t.Fatal(err)
		}
		want := normalize.Normalize([]byte(src))
		if len(got.Layers) != len(want.Layers) {
			t.Fatalf("%d layers apart, %d here", len(got.Layers), len(want.Layers))
		}
		for i := range want.Layers {
			a, b := &want.Layers[i], &got.Layers[i]
			if !bytes.Equal(a.Text, b.Text) || len(a.Tokens) != len(b.Tokens) || a.Transform != b.Transform {
				t.Errorf("layer %d of a script of %d bytes differs", i, len(src))
			}
		}
		if diff := cmp.Diff(want.Notes, got.Notes); diff != "" {
			t.Errorf("notes (-here +apart):\n%s", diff)
		}
	}
}

func TestScriptsAtOnce(t *testing.T) {
	t.Parallel()
	p := pool(t, "honest", 0)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			src := fmt.Sprintf("print(%d)\n", i)
			got, err := p.Normalize([]byte(src))
			if err != nil || string(got.Layers[0].Text) != src {
				t.Errorf("got %d layers, %v", len(got.Layers), err)
			}
		})
	}
	all.Wait()
}

// TestOneBadScriptCostsOneProcess breaks the process in each way, and then has
// an ordinary script normalized.
func TestOneBadScriptCostsOneProcess(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second
	for _, test := range []struct {
		how, reason, detail string
	}{
		{"overflow", apart.Crashed, "stack"},
		{"leave", apart.Crashed, "EOF"},
		{"loop", apart.TimedOut, "no answer"},
		{"sleep", apart.TimedOut, "no answer"},
		{"garbage", apart.Refused, "decode"},
		{"endless", apart.Crashed, "more than"},
	} {
		t.Run(test.how, func(t *testing.T) {
			t.Parallel()
			p := pool(t, test.how, timeout)
			for range 2 {
				_, err := p.Normalize([]byte("now"))
				var e *apart.Error
				if !errors.As(err, &e) || e.Reason != test.reason || !strings.Contains(e.Detail, test.detail) {
					t.Fatalf("got %v, want reason %q and %q", err, test.reason, test.detail)
				}
				if got, err := p.Normalize([]byte("print(2)\n")); err != nil || len(got.Layers) != 1 {
					t.Fatalf("the script after it: %v, %v", got.Layers, err)
				}
			}
		})
	}
}

func TestNewSaysWhyItCannot(t *testing.T) {
	t.Parallel()
	if _, err := apart.New(apart.Config{Path: "/nowhere/kingsnake"}); err == nil {
		t.Error("a program that is not there was started")
	}
	if _, err := apart.New(apart.Config{Path: "/bin/true"}); err == nil {
		t.Error("a program that is no normalizer was taken for one")
	}
}

func TestCPU(t *testing.T) {
	t.Parallel()
	p := pool(t, "overflow", 0)
	if _, err := p.Normalize([]byte(strings.Repeat("x = 'a' + 'b'\n", 1<<18))); err != nil {
		t.Fatal(err)
	}
	running := p.CPU()
	if _, err := p.Normalize([]byte("now")); err == nil {
		t.Fatal("the process lives")
	}
	if ended := p.CPU(); running <= 0 || ended < running {
		t.Errorf("used %v, and then %v when it had ended", running, ended)
	}
}

func FuzzServe(f *testing.F) {
	f.Add([]byte("\x05\x00\x00\x00print"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		err := apart.Serve(bytes.NewReader(in), &out)
		if err == nil && len(in) > 0 && out.Len() == 0 {
			t.Error("a frame has no answer")
		}
	})
}

// BenchmarkApart compares a script normalized here and in another process.
func BenchmarkApart(b *testing.B) {
	for _, size := range []int{256, 4 << 10, 256 << 10} {
		src := []byte(strings.Repeat("value = compute(value, 'text', 3) # words\n", size/42+1))[:size]
		b.Run(fmt.Sprintf("here/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				normalize.Normalize(src)
			}
		})
		b.Run(fmt.Sprintf("apart/%d", size), func(b *testing.B) {
			p := pool(b, "honest", 0)
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := p.Normalize(src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
