package normalize

import (
	"bytes"
	"crypto/rc4"
	"fmt"
	"strings"
	"testing"
)

// long is a text that takes more steps to decipher than there are.
var long = bytes.Repeat([]byte("print('a line of a long text')\n"), 2000)

func TestCiphersThatAreCutAreFinished(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdef")
	c, err := rc4.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	streamed, combined, added := make([]byte, len(long)), make([]byte, len(long)), make([]byte, len(long))
	c.XORKeyStream(streamed, long)
	for i, b := range long {
		combined[i], added[i] = b^key[i%len(key)], b+key[i%len(key)]
	}
	const loop = "def f(data, key):\n    out = bytearray()\n    for i in range(len(data)):\n        out.append(%s)\n    return bytes(out)\nexec(f(%s, %s))\n"
	for _, test := range []struct{ name, src string }{
		{"exclusive or", fmt.Sprintf(loop, "data[i] ^ key[i % len(key)]", bytesLiteral(combined), bytesLiteral(key))},
		{"addition", fmt.Sprintf(loop, "(data[i] - key[i % len(key)]) % 256", bytesLiteral(added), bytesLiteral(key))},
		{"RC4", fmt.Sprintf(`
def f(data, key):
    box, j, out = list(range(256)), 0, bytearray()
    for i in range(256):
        j = (j + box[i] + key[i %% len(key)]) %% 256
        box[i], box[j] = box[j], box[i]
    i = j = 0
    for c in data:
        i = (i + 1) %% 256
        j = (j + box[i]) %% 256
        box[i], box[j] = box[j], box[i]
        out.append(c ^ box[(box[i] + box[j]) %% 256])
    return bytes(out)
exec(f(%s, %s))
`, bytesLiteral(streamed), bytesLiteral(key))},
	} {
		if text := Normalize([]byte(test.src)); len(text.Layers) < 2 || !bytes.Equal(text.Layers[1].Text, long) {
			t.Errorf("%s: %d layers, want the whole text in the first; notes %q", test.name, len(text.Layers), text.Notes)
		}
	}
}

func TestATableThatIsCutIsFinished(t *testing.T) {
	t.Parallel()
	var table []string
	for c := ' '; c <= '~'; c++ {
		table = append(table, fmt.Sprintf("%q: %q", string(c^1), string(c)))
	}
	hidden := bytes.Clone(long)
	for i, c := range hidden {
		if c >= ' ' {
			hidden[i] = c ^ 1
		}
	}
	want := bytes.ReplaceAll(long, []byte("\n"), nil)
	src := fmt.Sprintf("exec(''.join([y[0] for x in %q for y in [[k, v] for v, k in {%s}.items()] if x == y[1]]))\n",
		bytes.ReplaceAll(hidden, []byte("\n"), nil), strings.Join(table, ", "))
	if text := Normalize([]byte(src)); len(text.Layers) < 2 || !bytes.Equal(text.Layers[1].Text, want) {
		t.Errorf("%d layers, want the whole text in the first; notes %q", len(text.Layers), text.Notes)
	}
}

// TestACharacterIsDecipheredOnce has texts that would take more steps than
// there are if each of their characters were deciphered. The last line has some
// that the others do not have.
func TestACharacterIsDecipheredOnce(t *testing.T) {
	t.Parallel()
	want := append(bytes.Clone(long), "QUITE = 4711\n"...)
	hidden, numbers := bytes.Clone(want), &strings.Builder{}
	for i, c := range want {
		if hidden[i] = c ^ 1; c == '\n' {
			hidden[i] = '~'
		}
		fmt.Fprintf(numbers, "%d,", int(c)*3+7)
	}
	for _, test := range []struct{ name, src string }{
		{"of a text", fmt.Sprintf("exec(''.join(['\\n' if c == '~' else chr(ord(c) ^ 1) for c in %q]))\n", hidden)},
		{"of bytes", fmt.Sprintf("exec(bytes([10 if c == 126 else c ^ 1 for c in %s]))\n", bytesLiteral(hidden))},
		{"of numbers, twice", fmt.Sprintf("exec(''.join(chr(c) for c in [(n - 7) // 3 for n in [%s]]))\n", numbers)},
	} {
		text := Normalize([]byte(test.src))
		if len(text.Layers) < 2 || !bytes.Equal(text.Layers[1].Text, want) {
			t.Errorf("%s: %d layers, want the whole text in the first; notes %q", test.name, len(text.Layers), text.Notes)
		}
	}
}

func TestACipherThatChangesIsNotFinished(t *testing.T) {
	t.Parallel()
	begun, in := []byte("a text of some length that was begun"), bytes.Repeat([]byte("abcdefghij"), 20)
	if got := repeating(in, begun); got != nil {
		t.Errorf("finished as %q", got)
	}
	if got := ciphered(in, begun, []byte("key")); got != nil {
		t.Errorf("finished as %q", got)
	}
}

func TestRC4IsSeenByItsBeginning(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdef")
	c, err := rc4.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	hidden := make([]byte, len(long))
	c.XORKeyStream(hidden, long)
	late := bytes.Clone(long[:2*minCipher])
	late[len(late)-1] ^= 1
	for _, test := range []struct {
		name       string
		begun, key []byte
		want       []byte
	}{
		{"the right key", long[:2*minCipher], key, long},
		{"a short beginning", long[:minCipher/2], key, long},
		{"all of it", long, key, long},
		{"another key", long[:2*minCipher], []byte("another"), nil},
		{"a beginning that ends otherwise", late, key, nil},
		{"no key", long[:2*minCipher], nil, nil},
		{"a text as key", long[:2*minCipher], long, nil},
	} {
		if got := ciphered(hidden, test.begun, test.key); !bytes.Equal(got, test.want) {
			t.Errorf("%s: %d bytes %.40q, want %d", test.name, len(got), got, len(test.want))
		}
	}
}
