package signed

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of a file. Whoever reads one takes no more than MaxFile bytes.
const (
	MaxNote  = 200      // bytes
	MaxModel = 16 << 20 // bytes
	MaxFile  = maxHeader + MaxModel

	maxHeader = 4 << 10
)

const title = "kingsnake signed model 1"

// What a caller can tell apart; the text of the error says more.
var (
	ErrUnsigned  = errors.New("not signed")
	ErrUntrusted = errors.New("not trusted")
	ErrDamaged   = errors.New("damaged")
)

// Model is what was in a file whose signature is good.
type Model struct {
	Bytes []byte // the model's own file
	By    PublicKey
	Date  time.Time // when it was signed, as its signer's clock said
	Note  string
}

// Sign returns the file of a model, signed with k. The date is kept to the
// second. The note is one line of at most MaxNote bytes.
func Sign(model []byte, k PrivateKey, date time.Time, note string) ([]byte, error) {
	if err := checkLine("the note", note, MaxNote); err != nil {
		return nil, err
	}
	if len(model) == 0 || len(model) > MaxModel {
		return nil, fmt.Errorf("the model has %d bytes, want 1 to %d", len(model), MaxModel)
	}
	if y := date.UTC().Year(); y < 1 || y > 9999 {
		return nil, fmt.Errorf("the date %v has no year of four digits", date)
	}
	pub, sum := k.Public(), sha256.Sum256(model)
	out := fmt.Appendf(nil, "%s\nsigner %s\nkey %s\ndate %s\nnote %s\nsize %d\nsha256 %x\n", title, pub.Name,
		base64.StdEncoding.EncodeToString(pub.Bytes), date.UTC().Format(time.RFC3339), note, len(model), sum)
	sig := ed25519.Sign(ed25519.NewKeyFromSeed(k.seed), out)
	out = fmt.Appendf(out, "signature %s\n\n", base64.StdEncoding.EncodeToString(sig))
	return append(out, model...), nil
}

// Open returns the model in a file that one of the trusted keys has signed, and
// refuses every other: ErrUnsigned is not a signed model at all, ErrUntrusted
// is signed by somebody else, ErrDamaged was changed or cut after it was
// signed. The model shares memory with the file.
func Open(file []byte, trusted []PublicKey) (Model, error) {
	h, err := readHeader(file)
	if err != nil {
		return Model{}, err
	}
	i := slices.IndexFunc(trusted, func(k PublicKey) bool { return bytes.Equal(k.Bytes, h.signer.Bytes) })
	if i < 0 {
		return Model{}, fmt.Errorf("%w: it is signed by %q, key %s, and %s", ErrUntrusted, h.signer.Name, h.signer.Fingerprint(), trustWords(trusted))
	}
	by := trusted[i]
	if !ed25519.Verify(by.Bytes, h.covered, h.signature) {
		return Model{}, fmt.Errorf("%w: the signature is not that of key %s (%s)", ErrDamaged, by.Fingerprint(), by.Name)
	}
	if got := sha256.Sum256(h.model); len(h.model) != h.size || !bytes.Equal(got[:], h.sum) {
		return Model{}, fmt.Errorf("%w: the model has %d bytes and digest %x…, its signature is for %d bytes and %x…", ErrDamaged, len(h.model), got[:4], h.size, h.sum[:4])
	}
	return Model{Bytes: h.model, By: by, Date: h.date, Note: h.note}, nil
}

// Signer returns the key that a file says it is signed with. It proves nothing:
// to trust that key is to trust whoever wrote the file.
func Signer(file []byte) (PublicKey, error) {
	h, err := readHeader(file)
	return h.signer, err
}

// header is a file's header as it stands there, with nothing checked but its
// form.
type header struct {
	signer    PublicKey
	date      time.Time
	note      string
	size      int
	sum       []byte
	signature []byte
	covered   []byte // by the signature
	model     []byte // all behind the header
}

func readHeader(file []byte) (header, error) {
	if !bytes.HasPrefix(file, []byte(title+"\n")) {
		return header{}, fmt.Errorf("%w: it does not begin with %q; sign a model with \"kingsnake model sign\"", ErrUnsigned, title)
	}
	end := bytes.Index(file[:min(len(file), maxHeader)], []byte("\n\n"))
	if end < 0 {
		return header{}, fmt.Errorf("%w: its header does not end", ErrDamaged)
	}
	head := file[:end+1]
	r := reader{rest: head}
	r.is(title)
	h := header{model: file[end+2:]}
	h.signer.Name = r.field("signer", MaxName)
	h.signer.Bytes = r.base64("key", ed25519.PublicKeySize)
	h.date = r.date("date")
	h.note = r.field("note", MaxNote)
	h.size = r.size("size")
	h.sum = r.digest("sha256")
	h.covered = head[:len(head)-len(r.rest)]
	h.signature = r.base64("signature", ed25519.SignatureSize)
	if r.err == nil && len(r.rest) > 0 {
		r.err = errors.New("the header has a line too many")
	}
	if r.err != nil {
		return header{}, fmt.Errorf("%w: %v", ErrDamaged, r.err)
	}
	return h, nil
}

// trustWords says what is trusted instead.
func trustWords(keys []PublicKey) string {
	if len(keys) == 0 {
		return "no key is trusted here; name one with --model-key"
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.Fingerprint()+" ("+k.Name+")")
	}
	return "trusted are " + strings.Join(names, ", ")
}

// reader reads a header line by line. After the first mistake it reads nothing.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) line() string {
	line, rest, ok := bytes.Cut(r.rest, []byte("\n"))
	if !ok && r.err == nil {
		r.err = errors.New("it is cut short")
	}
	if r.err != nil {
		return ""
	}
	r.rest = rest
	return string(line)
}

func (r *reader) is(want string) {
	if r.line() != want && r.err == nil {
		r.err = fmt.Errorf("it does not begin with %q", want)
	}
}

// field reads the line of that name, one printable text.
func (r *reader) field(name string, limit int) string {
	value, ok := strings.CutPrefix(r.line(), name+" ")
	if !ok {
		r.wrong(name)
	}
	if err := checkLine(name, value, limit); err != nil && r.err == nil {
		r.err = err
	}
	if r.err != nil {
		return ""
	}
	return value
}

func (r *reader) wrong(name string) {
	if r.err == nil {
		r.err = fmt.Errorf("its line %q is missing or not as it should be", name)
	}
}

func (r *reader) base64(name string, size int) []byte {
	s := r.field(name, base64.StdEncoding.EncodedLen(size))
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != size {
		r.wrong(name)
	}
	return b
}

func (r *reader) digest(name string) []byte {
	s := r.field(name, hex.EncodedLen(sha256.Size))
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != sha256.Size || hex.EncodeToString(b) != s {
		r.wrong(name)
	}
	return b
}

func (r *reader) size(name string) int {
	s := r.field(name, 10)
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > MaxModel || strconv.Itoa(n) != s {
		r.wrong(name)
	}
	return n
}

func (r *reader) date(name string) time.Time {
	s := r.field(name, len(time.RFC3339))
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.UTC().Format(time.RFC3339) != s {
		r.wrong(name)
	}
	return t
}
