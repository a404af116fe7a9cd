package classify

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"kingsnake/normalize"
	"kingsnake/normalize/peak"
)

// hostiles are scripts of about n bytes that aim at the bounds of a verdict,
// reasons included.
var hostiles = []struct {
	name string
	make func(n int) string
}{
	{"statements of one token", func(n int) string { return strings.Repeat("a;", n/2) }},
	{"semicolons", func(n int) string { return strings.Repeat(";", n) }},
	{"calls that all behave", func(n int) string { return strings.Repeat("os.system(a)\n", n/13) }},
	{"flows through everything", func(n int) string {
		return "import os,requests\nb=os.environ\n" + fillWith(n-200, func(b *strings.Builder, k int) {
			fmt.Fprintf(b, "c%x=open('/tmp/%x').read(b.d%x.e.f)\n", k, k, k)
			if k%700 == 0 {
				b.WriteString("requests.post(b)\nos.system(b)\nb=os.environ\n")
			}
		}) + "\nrequests.post(b)\n"
	}},
	{"texts of many words, no word twice", func(n int) string {
		return fillWith(n, func(b *strings.Builder, k int) {
			b.WriteString("x='")
			for i := range 96 {
				fmt.Fprintf(b, "%xz ", k*96+i)
			}
			b.WriteString("'\n")
		})
	}},
	{"names of many words, no word twice", func(n int) string {
		r := rand.New(rand.NewPCG(1, 2))
		return fillWith(n, func(b *strings.Builder, _ int) {
			for range 16 {
				fmt.Fprintf(b, "%c%c%c_", 'a'+r.IntN(26), 'a'+r.IntN(26), 'a'+r.IntN(26))
			}
			b.WriteString("()\n")
		})
	}},
	{"dotted names, none twice", func(n int) string {
		return "import os\nb=os.environ\n" + fillWith(n-64, func(b *strings.Builder, k int) {
			for i := range 100 {
				fmt.Fprintf(b, "b.a%x.c.d.e.f.g,", k*100+i)
			}
			b.WriteString("\n")
		}) + "\nrequests.post(b)\n"
	}},
	{"texts that show behaviors everywhere", func(n int) string {
		return "x='" + strings.Repeat("/bin/sh -c whoami; cat /etc/passwd|sh ", n/38) + "'\n"
	}},
	{"layers of behaviors", func(n int) string {
		return fillWith(n, func(b *strings.Builder, k int) {
			layer := fmt.Sprintf("import os\nx%d='/bin/sh'\nos.system(x%d)\n", k, k) + strings.Repeat("y='/bin/sh'\n", 2000)
			fmt.Fprintf(b, "import base64\nexec(base64.b64decode('%s'))\n", base64.StdEncoding.EncodeToString([]byte(layer)))
		})
	}},
	{"many names bound to texts", func(n int) string {
		return fillWith(n, func(b *strings.Builder, k int) { fmt.Fprintf(b, "a%x='/bin/sh'\nos.system(a%x)\n", k, k) })
	}},
}

// fillWith writes until there are n bytes.
func fillWith(n int, write func(b *strings.Builder, k int)) string {
	var b strings.Builder
	for k := 0; b.Len() < n; k++ {
		write(&b, k)
	}
	return b.String()
}

// TestHostileScriptsNeedLittleMemory measures what a verdict of the largest
// script needs beside the script itself: at most 64 MiB, whatever is in it. It
// must not run beside other tests.
func TestHostileScriptsNeedLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("judges scripts of 8 MiB")
	}
	const size = 8 << 20
	const bound = 48 << 20
	m := weighty(t)
	for _, h := range hostiles {
		src := []byte(h.make(size))
		src = src[:min(len(src), size)]
		began := time.Now()
		n := peak.Of(func() {
			if v := m.Judge(normalize.Normalize(src)); v.Label != Malicious {
				t.Errorf("%s: %s, want reasons to be given", h.name, v.Label)
			}
		})
		if n > bound {
			t.Errorf("%s: %d bytes were in use, want at most %d", h.name, n, bound)
		}
		t.Logf("%s: %d bytes in %v", h.name, n, time.Since(began))
	}
}
