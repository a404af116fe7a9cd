package known

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// An index file is, in order and little-endian: the magic; the version and how
// many origins, files and fingerprints there are; the fingerprints; compressed,
// the origins, the files and the file of each fingerprint; and the SHA-256 of
// everything before it.
const (
	magic   = "kingsnake known\n"
	version = 1 // raised whenever what is fingerprinted, or how, changes
	maxFile = 64 << 20
	maxTail = 64 << 20 // of the compressed part, unpacked
)

// header is the fixed part of an index file behind the magic.
type header struct {
	Version, Origins, Files, Sums uint32
}

// Write writes the index as [Load] reads it. The same index gives the same
// bytes.
func (ix *Index) Write(w io.Writer) error {
	var out bytes.Buffer
	out.WriteString(magic)
	put := func(to io.Writer, v any) error { return binary.Write(to, binary.LittleEndian, v) }
	h := header{version, uint32(len(ix.from)), uint32(ix.names.len()), uint32(len(ix.files))}
	if err := put(&out, h); err != nil {
		return fmt.Errorf("write index of known files: %v", err)
	}
	out.Write(ix.sums)
	z, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return fmt.Errorf("write index of known files: %v", err)
	}
	for _, name := range ix.from {
		err = errors.Join(err, put(z, uint16(len(name))), put(z, []byte(name)))
	}
	for i := range ix.names.len() {
		f := ix.names.at(i)
		err = errors.Join(err, put(z, uint16(f.origin)), put(z, uint16(len(f.path))), put(z, []byte(f.path)))
	}
	if err := errors.Join(err, put(z, ix.files), z.Close()); err != nil {
		return fmt.Errorf("write index of known files: %v", err)
	}
	check := sha256.Sum256(out.Bytes())
	out.Write(check[:])
	_, err = w.Write(out.Bytes())
	return err
}

// Load reads an index. It checks the magic, the version, every size, every name
// and the checksum, and takes no more than 64 MiB. The checksum is against
// accidents: whoever can write an index decides what is known.
func Load(r io.Reader) (*Index, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read index of known files: %w", err)
	}
	ix, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("read index of known files: %w", err)
	}
	return ix, nil
}

// parse reads an index, which keeps data.
func parse(data []byte) (*Index, error) {
	if len(data) > maxFile {
		return nil, errors.New("file is larger than 64 MiB")
	}
	rest, ok := bytes.CutPrefix(data, []byte(magic))
	if !ok {
		return nil, errors.New("not an index of known files")
	}
	var h header
	n, err := binary.Decode(rest, binary.LittleEndian, &h)
	if err != nil {
		return nil, errors.New("file is cut off")
	}
	rest = rest[n:]
	if h.Version != version {
		return nil, fmt.Errorf("version %d, this program reads %d", h.Version, version)
	}
	if h.Origins > maxOrigins || h.Files > maxFiles || h.Sums > maxSums {
		return nil, fmt.Errorf("too large: %d origins, %d files, %d fingerprints", h.Origins, h.Files, h.Sums)
	}
	size := int(h.Sums) * len(sum{})
	if len(rest) < size+sha256.Size {
		return nil, errors.New("file is cut off")
	}
	end := len(data) - sha256.Size
	if check := sha256.Sum256(data[:end]); !bytes.Equal(check[:], data[end:]) {
		return nil, errors.New("checksum is wrong")
	}
	ix := &Index{sums: rest[:size:size], files: make([]uint32, h.Sums), from: make([]string, h.Origins)}
	for i := 1; i < len(ix.files); i++ {
		if bytes.Compare(ix.at(i-1), ix.at(i)) >= 0 {
			return nil, errors.New("fingerprints are out of order")
		}
	}
	if err := ix.readNames(rest[size:len(rest)-sha256.Size], int(h.Files)); err != nil {
		return nil, err
	}
	return ix, nil
}

// readNames reads the compressed part, of so many files.
func (ix *Index) readNames(data []byte, files int) error {
	source := bytes.NewReader(data)
	in := nameReader{r: io.LimitReader(flate.NewReader(source), maxTail)}
	for i := range ix.from {
		ix.from[i] = in.name()
	}
	ix.names.origins, ix.names.ends = make([]uint16, 0, files), make([]uint32, 0, files)
	for range files {
		f := file{uint32(in.number()), in.name()}
		if in.err != nil {
			break
		}
		if int(f.origin) >= len(ix.from) {
			return errors.New("a file is of no origin")
		}
		ix.names.add(f)
	}
	ix.names.paths = bytes.Clone(ix.names.paths) // as long as it is, without the room it grew in
	if in.err != nil {
		return fmt.Errorf("names: %w", in.err)
	}
	if err := binary.Read(in.r, binary.LittleEndian, ix.files); err != nil {
		return fmt.Errorf("files: %w", err)
	}
	for _, f := range ix.files {
		if int(f) >= ix.names.len() {
			return errors.New("a fingerprint is of no file")
		}
	}
	if n, err := in.r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) || source.Len() != 0 {
		return errors.New("names do not end where they should")
	}
	return nil
}

// nameReader reads numbers and names until the first error.
type nameReader struct {
	r   io.Reader
	buf [maxName]byte
	err error
}

func (n *nameReader) bytes(size int) []byte {
	if n.err == nil {
		_, n.err = io.ReadFull(n.r, n.buf[:size])
	}
	if n.err != nil {
		return nil
	}
	return n.buf[:size]
}

func (n *nameReader) number() uint16 {
	b := n.bytes(2)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint16(b)
}

func (n *nameReader) name() string {
	size := int(n.number())
	if n.err == nil && size > maxName {
		n.err = fmt.Errorf("a name of %d bytes", size)
	}
	name := string(n.bytes(min(size, maxName)))
	if n.err == nil && !printable(name) {
		n.err = errors.New("a name that cannot be printed")
	}
	return name
}
