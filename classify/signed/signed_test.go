package signed_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kingsnake/classify/signed"
)

var date = time.Date(2026, 11, 23, 7, 8, 9, 0, time.UTC)

func newKey(t testing.TB, name string) signed.PrivateKey {
	t.Helper()
	k, err := signed.NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t testing.TB, k signed.PrivateKey, model, note string) []byte {
	t.Helper()
	file, err := signed.Sign([]byte(model), k, date, note)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestASignedModelComesBack(t *testing.T) {
	t.Parallel()
	k := newKey(t, "release 2026")
	other := newKey(t, "other")
	for _, note := range []string{"", "tuned on our own code: é"} {
		got, err := signed.Open(sign(t, k, "the\n\nmodel\n", note), []signed.PublicKey{other.Public(), k.Public()})
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Bytes) != "the\n\nmodel\n" || got.Note != note || !got.Date.Equal(date) || got.By.Name != "release 2026" {
			t.Errorf("came back as %+v", got)
		}
	}
}

func TestTheNameShownIsThatOfTheTrustedKey(t *testing.T) {
	t.Parallel()
	k := newKey(t, "what the signer says")
	trusted := k.Public()
	trusted.Name = "what we say"
	got, err := signed.Open(sign(t, k, "m", ""), []signed.PublicKey{trusted})
	if err != nil || got.By.Name != "what we say" {
		t.Errorf("signed by %q, %v", got.By.Name, err)
	}
}

func TestWhatIsNotAsSignedIsRefused(t *testing.T) {
	t.Parallel()
	k, other := newKey(t, "ours"), newKey(t, "theirs")
	trusted := []signed.PublicKey{k.Public()}
	good := string(sign(t, k, "the model", "note"))
	for name, tc := range map[string]struct {
		file string
		want error
		says string
	}{
		"nothing":             {"", signed.ErrUnsigned, "does not begin"},
		"a bare model":        {"kingsnake model\nxxxx", signed.ErrUnsigned, "kingsnake model sign"},
		"signed by others":    {string(sign(t, other, "the model", "")), signed.ErrUntrusted, `"theirs", key ` + other.Public().Fingerprint()},
		"a header cut":        {good[:80], signed.ErrDamaged, "does not end"},
		"a model cut":         {good[:len(good)-1], signed.ErrDamaged, "8 bytes"},
		"a model grown":       {good + "x", signed.ErrDamaged, "10 bytes"},
		"a model changed":     {good[:len(good)-1] + "L", signed.ErrDamaged, "digest"},
		"a note changed":      {strings.Replace(good, "note note", "note nota", 1), signed.ErrDamaged, "signature"},
		"a line too many":     {strings.Replace(good, "\n\n", "\nmore x\n\n", 1), signed.ErrDamaged, "a line too many"},
		"a line left out":     {strings.Replace(good, "note note\n", "", 1), signed.ErrDamaged, `"note"`},
		"a size in disguise":  {strings.Replace(good, "size 9", "size 09", 1), signed.ErrDamaged, `"size"`},
		"a digest in capital": {strings.Replace(good, "sha256 ", "sha256 A", 1), signed.ErrDamaged, "sha256"},
		"a header too long":   {"kingsnake signed model 1\nsigner " + strings.Repeat("x", 1<<20) + "\n\n", signed.ErrDamaged, "does not end"},
		"a terminal's orders": {"kingsnake signed model 1\nsigner \x1b[2J\n\n", signed.ErrDamaged, "cannot be printed"},
	} {
		_, err := signed.Open([]byte(tc.file), trusted)
		if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v; want %v, saying %q", name, err, tc.want, tc.says)
		}
	}
	if _, err := signed.Open([]byte(good), nil); !errors.Is(err, signed.ErrUntrusted) || !strings.Contains(err.Error(), "--model-key") {
		t.Errorf("without keys: %v", err)
	}
}

func TestEveryFlippedBitIsSeen(t *testing.T) {
	t.Parallel()
	k := newKey(t, "ours")
	file := sign(t, k, "the model", "note")
	for i := range file {
		for bit := range 8 {
			bad := bytes.Clone(file)
			bad[i] ^= 1 << bit
			if _, err := signed.Open(bad, []signed.PublicKey{k.Public()}); err == nil {
				t.Errorf("bit %d of byte %d flipped, and it opens", bit, i)
			}
		}
	}
}

func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	t.Parallel()
	k := newKey(t, "ours")
	for _, note := range []string{"two\nlines", "\xff", " blank", strings.Repeat("x", signed.MaxNote+1), "\u202e"} {
		if _, err := signed.Sign([]byte("m"), k, date, note); err == nil {
			t.Errorf("note %q was signed", note)
		}
	}
	for _, name := range []string{"", "a\nb", strings.Repeat("x", signed.MaxName+1)} {
		if _, err := signed.NewKey(name); err == nil {
			t.Errorf("a key of the name %q was made", name)
		}
	}
	if _, err := signed.Sign(nil, k, date, ""); err == nil {
		t.Error("an empty model was signed")
	}
}

func TestKeysComeBackFromTheirFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := newKey(t, "ours")
	write := func(name string, text []byte, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // past the umask
			t.Fatal(err)
		}
		return path
	}
	private, err := signed.ReadPrivateKey(write("k.key", k.Text(), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	public, err := signed.ReadPublicKey(write("k.pub", k.Public().Text(), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signed.Open(sign(t, private, "m", ""), []signed.PublicKey{public}); err != nil {
		t.Error(err)
	}
	readPublic := func(p string) error { _, err := signed.ReadPublicKey(p); return err }
	readPrivate := func(p string) error { _, err := signed.ReadPrivateKey(p); return err }
	for name, tc := range map[string]struct {
		read func(string) error
		path string
		says string
	}{
		"a private key that others read": {readPrivate, write("open.key", k.Text(), 0o640), "chmod 600"},
		"a public key that others write": {readPublic, write("open.pub", k.Public().Text(), 0o664), "chmod go-w"},
		"a private key as a public one":  {readPublic, write("p", k.Text(), 0o600), "this is a private key"},
		"a public key as a private one":  {readPrivate, write("q", k.Public().Text(), 0o600), "this is a public key"},
		"something else":                 {readPublic, write("x", []byte("-----BEGIN"), 0o600), "not a key"},
		"a key cut short":                {readPublic, write("y", k.Public().Text()[:60], 0o600), "not a key"},
		"a large file":                   {readPublic, write("z", bytes.Repeat([]byte("x"), 1<<20), 0o600), "larger than"},
		"a folder":                       {readPublic, dir, "not a regular file"},
		"nothing":                        {readPublic, filepath.Join(dir, "none"), "no such file"},
	} {
		if err := tc.read(tc.path); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v; want it to say %q", name, err, tc.says)
		}
	}
}

// FuzzOpen gives Open hostile files: signed ones are changed, others made up.
func FuzzOpen(f *testing.F) {
	k := newKey(f, "ours")
	trusted := []signed.PublicKey{k.Public()}
	good := sign(f, k, "the model", "note")
	f.Add(good, 0)
	f.Add([]byte("kingsnake signed model 1\nsigner x\n\n"), 3)
	f.Add([]byte("kingsnake model\n"), 1)
	f.Fuzz(func(t *testing.T, file []byte, cut int) {
		for _, in := range [][]byte{file, append(bytes.Clone(good[:min(max(cut, 0), len(good))]), file...)} {
			got, err := signed.Open(in, trusted)
			if err == nil && !bytes.Equal(in, good) {
				t.Errorf("%q opens as %q", in, got.Bytes)
			}
		}
	})
}

// FuzzParseKey checks that a key is what its text says, spelled in one way.
func FuzzParseKey(f *testing.F) {
	k := newKey(f, "ours")
	f.Add(k.Text())
	f.Add(k.Public().Text())
	f.Add([]byte("kingsnake public key 1\nname x\ned25519 AAAA\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if k, err := signed.ParsePublicKey(text); err == nil && !bytes.Equal(k.Text(), text) {
			t.Errorf("%q is read as %q", text, k.Text())
		}
		if k, err := signed.ParsePrivateKey(text); err == nil && !bytes.Equal(k.Text(), text) {
			t.Errorf("%q is read as %q", text, k.Text())
		}
	})
}

func TestTheSignerIsNamedButNotTrusted(t *testing.T) {
	t.Parallel()
	k := newKey(t, "theirs")
	got, err := signed.Signer(sign(t, k, "m", ""))
	if err != nil || got.Name != "theirs" || got.Fingerprint() != k.Public().Fingerprint() {
		t.Errorf("signed by %+v, %v", got, err)
	}
	if _, err := signed.Signer([]byte("m")); !errors.Is(err, signed.ErrUnsigned) {
		t.Errorf("the signer of nothing: %v", err)
	}
}
