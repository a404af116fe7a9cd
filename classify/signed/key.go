package signed

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is how many bytes the name of a key may have.
const MaxName = 64

// The first lines of key files.
const (
	publicTitle  = "kingsnake public key 1"
	privateTitle = "kingsnake private key 1"
)

// maxKeyFile is more than any key file has.
const maxKeyFile = 4 << 10

// PublicKey tells whether a model was signed with the private key it belongs to.
type PublicKey struct {
	Name  string            // what people call it; proves nothing
	Bytes ed25519.PublicKey // of ed25519.PublicKeySize
}

// PrivateKey signs models. Whoever has it decides what sensors that trust it
// call malicious.
type PrivateKey struct {
	Name string
	seed []byte
}

// NewKey makes a key of a name: one line of at most MaxName bytes.
func NewKey(name string) (PrivateKey, error) {
	if err := checkLine("the key's name", name, MaxName); err != nil {
		return PrivateKey{}, err
	}
	if name == "" {
		return PrivateKey{}, errors.New("the key's name is empty")
	}
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed)
	return PrivateKey{name, seed}, nil
}

// Public is the key that others need to trust what k signs.
func (k PrivateKey) Public() PublicKey {
	return PublicKey{k.Name, ed25519.NewKeyFromSeed(k.seed).Public().(ed25519.PublicKey)}
}

// Fingerprint names the key in 16 hexadecimal digits of its SHA-256.
func (k PublicKey) Fingerprint() string {
	sum := sha256.Sum256(k.Bytes)
	return hex.EncodeToString(sum[:8])
}

// Text is the content of the key's file.
func (k PublicKey) Text() []byte { return keyText(publicTitle, k.Name, k.Bytes) }

// Text is the content of the key's file, which nobody else may read.
func (k PrivateKey) Text() []byte { return keyText(privateTitle, k.Name, k.seed) }

func keyText(title, name string, key []byte) []byte {
	return fmt.Appendf(nil, "%s\nname %s\ned25519 %s\n", title, name, base64.StdEncoding.EncodeToString(key))
}

// ParsePublicKey reads the content of a public key's file.
func ParsePublicKey(text []byte) (PublicKey, error) {
	if bytes.HasPrefix(text, []byte(privateTitle)) {
		return PublicKey{}, errors.New("this is a private key; want the public one that was made with it")
	}
	name, key, err := parseKey(publicTitle, text, ed25519.PublicKeySize)
	return PublicKey{name, key}, err
}

// ParsePrivateKey reads the content of a private key's file.
func ParsePrivateKey(text []byte) (PrivateKey, error) {
	if bytes.HasPrefix(text, []byte(publicTitle)) {
		return PrivateKey{}, errors.New("this is a public key; signing needs the private one")
	}
	name, seed, err := parseKey(privateTitle, text, ed25519.SeedSize)
	return PrivateKey{name, seed}, err
}

func parseKey(title string, text []byte, size int) (name string, key []byte, err error) {
	r := reader{rest: text}
	r.is(title)
	name = r.field("name", MaxName)
	key = r.base64("ed25519", size)
	if r.err == nil && len(r.rest) > 0 {
		r.err = errors.New("something stands behind it")
	}
	if r.err == nil && name == "" {
		r.err = errors.New("it has no name")
	}
	if r.err != nil {
		return "", nil, fmt.Errorf("not a key as \"kingsnake model keygen\" writes it: %v", r.err)
	}
	return name, key, nil
}

// ReadPublicKey reads a public key's file. It refuses one that others may
// write, because they would decide what is trusted.
func ReadPublicKey(path string) (PublicKey, error) {
	return readKey(path, ParsePublicKey, 0o022, "others may write it; \"chmod go-w\" it")
}

// ReadPrivateKey reads a private key's file. It refuses one that others may
// read or write.
func ReadPrivateKey(path string) (PrivateKey, error) {
	return readKey(path, ParsePrivateKey, 0o077, "others may read or write it; \"chmod 600\" it")
}

// readKey reads a key's file that has none of the permissions in deny.
func readKey[K PublicKey | PrivateKey](path string, parse func([]byte) (K, error), deny os.FileMode, why string) (K, error) {
	var none K
	text, err := ReadFile(path, maxKeyFile)
	if err != nil {
		return none, err
	}
	k, err := parse(text)
	if err != nil {
		return none, fmt.Errorf("%s: %v", path, err)
	}
	st, err := os.Stat(path)
	if err != nil {
		return none, err
	}
	if st.Mode().Perm()&deny != 0 {
		return none, fmt.Errorf("%s: %s", path, why)
	}
	return k, nil
}

// ReadFile reads a regular file of at most limit bytes. Its errors are of type
// *os.PathError.
func ReadFile(path string, limit int64) ([]byte, error) {
	wrong := func(format string, args ...any) error {
		return &os.PathError{Op: "read", Path: path, Err: fmt.Errorf(format, args...)}
	}
	// Asked before it is opened: opening a pipe may wait for ever.
	if st, err := os.Stat(path); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, wrong("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = wrong("larger than %d bytes", limit)
	}
	return data, err
}

// checkLine says what is wrong with a text that is to be one line of a header.
func checkLine(what, s string, limit int) error {
	switch {
	case len(s) > limit:
		return fmt.Errorf("%s has %d bytes, more than %d", what, len(s), limit)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%s has a character that cannot be printed", what)
	case strings.TrimSpace(s) != s:
		return fmt.Errorf("%s begins or ends with a blank", what)
	}
	return nil
}
