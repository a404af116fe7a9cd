package push

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"kingsnake/finding"
)

// A spool is a folder of segments, files named 0000000000000001.spool and so
// on. A segment is records, one after another:
//
//	4 bytes  length of the rest after the checksum, little-endian
//	4 bytes  CRC-32C (Castagnoli) of the rest
//	1 byte   rank of the finding's severity
//	…        the finding's JSON
//
// Records are only appended, and only by the process that made the segment; a
// process that starts anew reads what is there and writes new segments. What is
// taken off the queue is not marked: a segment goes when all that is in it has
// been dealt with, and what is read again after a kill is sent again, which is
// harmless.
const (
	suffixSpool   = ".spool"
	headRecord    = 8
	segmentBytes  = 1 << 20     // when a segment is that long the next one is begun
	syncAfter     = time.Second // the disk has what was written that long ago
	maxSpooled    = 200_000     // findings; each costs some 100 bytes of memory
	mildShare     = 2           // findings below HIGH may fill one part in so many
	maxSpoolFiles = 100_000     // looked at when a spool is opened
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errSpoolFull says that the spool has no room within its bounds.
var errSpoolFull = errors.New("the spool is full")

// spool keeps findings on disk. Its methods are called with the client's lock
// held, but for flush, which takes its own.
type spool struct {
	dir      string
	maxBytes int64
	create   func(path string) (segmentFile, error)
	unlock   func() error

	last    uint64   // number of the newest segment
	current *segment // the one being written; nil when there is none
	bytes   int64    // of all segments
	items   int

	dirty sync.Mutex // guards what follows
	timer *time.Timer
	files []segmentFile // written to since the last flush
}

// segmentFile is the part of *os.File a segment needs.
type segmentFile interface {
	io.ReaderAt
	io.Writer
	Truncate(size int64) error
	Sync() error
	Close() error
}

// segment is one file of a spool.
type segment struct {
	path string
	file segmentFile
	size int64
	live int // records in it that have not been dealt with
}

// spooled is where the JSON of a finding lies.
type spooled struct {
	in   *segment
	at   int64
	size int
}

// openSpool makes or opens the spool in dir, takes it for this process, and
// returns what it holds, oldest first, and how many segments are damaged.
func openSpool(dir string, maxBytes int64) (s *spool, left []item, damaged int, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, 0, fmt.Errorf("make the spool: %w", err)
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("take the spool %s: %w", dir, err)
	}
	s = &spool{dir: dir, maxBytes: maxBytes, create: createSegment, unlock: unlock}
	names, err := segmentNames(dir)
	if err != nil {
		return nil, nil, 0, errors.Join(fmt.Errorf("read the spool: %w", err), unlock())
	}
	for _, name := range names {
		if s.last, err = strconv.ParseUint(strings.TrimSuffix(name, suffixSpool), 10, 64); err != nil {
			return nil, nil, 0, errors.Join(fmt.Errorf("read the spool: %w", err), s.close())
		}
		found, bad, err := s.load(filepath.Join(dir, name))
		if err != nil {
			return nil, nil, 0, errors.Join(fmt.Errorf("read the spool: %w", err), s.close())
		}
		left = append(left, found...)
		if bad {
			damaged++
		}
	}
	return s, left, damaged, nil
}

func createSegment(path string) (segmentFile, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o600)
}

// segmentNames lists the segments in dir, oldest first; other files are none of
// ours.
func segmentNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	all, err := d.Readdirnames(maxSpoolFiles)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	names := slices.DeleteFunc(all, func(name string) bool {
		number, ok := strings.CutSuffix(name, suffixSpool)
		return !ok || len(number) != 16 || strings.Trim(number, "0123456789") != ""
	})
	slices.Sort(names)
	return names, nil
}

// load reads one segment that an earlier process left. A record that is not
// whole ends it: what follows cannot be found. A torn one at the very end is
// what a process leaves that is killed while it writes, before it said that the
// finding is safe; anything else is damage.
func (s *spool) load(path string) (left []item, damaged bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, false, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	g := &segment{path: path, file: f, size: info.Size()}
	s.bytes += g.size
	end := scanSegment(f, g.size, func(at int64, rank int, json []byte) bool {
		if s.items >= maxSpooled {
			return false
		}
		g.live++
		s.items++
		left = append(left, item{rank: rank, size: len(json), spooled: &spooled{g, at, len(json)}})
		return true
	})
	damaged = end < g.size && !torn(f, end, g.size)
	if g.live == 0 {
		s.drop(g)
	}
	return left, damaged, nil
}

// torn reports whether what lies at the end of a segment was never written in
// full: it is shorter than it says, or zeros that a disk put there.
func torn(r io.ReaderAt, at, size int64) bool {
	var head [headRecord]byte
	if n, _ := r.ReadAt(head[:], at); n < headRecord {
		return true
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	return n == 0 || n <= maxFinding+1 && n > size-at-headRecord
}

// scanSegment calls each with every record of a segment of that many bytes, up
// to the first that is not whole or when each says to stop, and returns where it
// stopped.
func scanSegment(r io.ReaderAt, size int64, each func(at int64, rank int, json []byte) bool) int64 {
	var head [headRecord]byte
	for at := int64(0); ; {
		if _, err := r.ReadAt(head[:], at); err != nil {
			return at
		}
		n := int64(binary.LittleEndian.Uint32(head[:]))
		if n < 1 || n > maxFinding+1 || n > size-at-headRecord {
			return at
		}
		body := make([]byte, n)
		if _, err := r.ReadAt(body, at+headRecord); err != nil || crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
			return at
		}
		if !each(at+headRecord+1, int(body[0]), body[1:]) {
			return at
		}
		at += headRecord + n
	}
}

// record is a finding as a segment holds it.
func record(rank int, json []byte) []byte {
	b := make([]byte, headRecord, headRecord+1+len(json))
	b = append(b, byte(rank))
	b = append(b, json...)
	binary.LittleEndian.PutUint32(b, uint32(len(b)-headRecord))
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[headRecord:], castagnoli))
	return b
}

// room reports whether n more bytes of a finding of that rank fit.
func (s *spool) room(rank, n int) bool {
	most, mostItems := s.maxBytes, maxSpooled
	if rank < finding.High.Rank() {
		most, mostItems = most/mildShare, mostItems/mildShare
	}
	return s.items < mostItems && s.bytes+int64(n) <= most
}

// put appends a finding. When it fails nothing of it stays behind.
func (s *spool) put(rank int, json []byte) (*spooled, error) {
	b := record(rank, json)
	if !s.room(rank, len(b)) {
		return nil, errSpoolFull
	}
	g, err := s.writable()
	if err != nil {
		return nil, err
	}
	if _, err := g.file.Write(b); err != nil {
		if cut := g.file.Truncate(g.size); cut != nil {
			s.leave(g) // its end is torn: nothing may follow
		}
		return nil, fmt.Errorf("write to the spool: %w", err)
	}
	at := &spooled{g, g.size + headRecord + 1, len(json)}
	g.size += int64(len(b))
	g.live++
	s.bytes += int64(len(b))
	s.items++
	s.soon(g.file)
	return at, nil
}

// writable returns the segment to append to.
func (s *spool) writable() (*segment, error) {
	if s.current != nil && s.current.size < segmentBytes {
		return s.current, nil
	}
	path := filepath.Join(s.dir, fmt.Sprintf("%016d%s", s.last+1, suffixSpool))
	f, err := s.create(path)
	if err != nil {
		return nil, fmt.Errorf("begin a segment of the spool: %w", err)
	}
	s.last++
	if s.current != nil {
		s.leave(s.current)
	}
	s.current = &segment{path: path, file: f}
	return s.current, nil
}

// leave ends the writing of a segment.
func (s *spool) leave(g *segment) {
	if s.current == g {
		s.current = nil
	}
	if g.live == 0 {
		s.drop(g)
	}
}

// read returns the JSON of a finding.
func (s *spool) read(at *spooled) ([]byte, error) {
	b := make([]byte, at.size)
	if _, err := at.in.file.ReadAt(b, at.at); err != nil {
		return nil, fmt.Errorf("read the spool: %w", err)
	}
	return b, nil
}

// done gives back the room of a finding that was dealt with. A segment whose
// findings all were is emptied, or removed when it is not being written.
func (s *spool) done(at *spooled) {
	g := at.in
	g.live--
	s.items--
	switch {
	case g.live > 0:
	case g != s.current:
		s.drop(g)
	case g.file.Truncate(0) == nil:
		s.bytes -= g.size
		g.size = 0
	default:
		s.leave(g)
	}
}

// drop removes a segment.
func (s *spool) drop(g *segment) {
	s.bytes -= g.size
	s.forget(g.file)
	_ = g.file.Close()         // it was read, or its records are dealt with
	_ = os.Remove(g.path)      // else it is read and sent again, which is harmless
	g.size, g.file = 0, gone{} // a later read must fail, not crash
}

// gone is the file of a segment that was removed.
type gone struct{}

func (gone) ReadAt([]byte, int64) (int, error) { return 0, os.ErrClosed }
func (gone) Write([]byte) (int, error)         { return 0, os.ErrClosed }
func (gone) Truncate(int64) error              { return os.ErrClosed }
func (gone) Sync() error                       { return nil }
func (gone) Close() error                      { return nil }

// soon has f flushed to the disk within syncAfter.
func (s *spool) soon(f segmentFile) {
	s.dirty.Lock()
	defer s.dirty.Unlock()
	if !slices.Contains(s.files, f) {
		s.files = append(s.files, f)
	}
	if s.timer == nil {
		s.timer = time.AfterFunc(syncAfter, s.flush)
	}
}

// flush brings what was written to the disk. A disk that cannot is told by the
// next write.
func (s *spool) flush() {
	s.dirty.Lock()
	defer s.dirty.Unlock()
	s.timer = nil
	for _, f := range s.files {
		_ = f.Sync()
	}
	s.files = nil
}

// forget leaves f out of the next flush.
func (s *spool) forget(f segmentFile) {
	s.dirty.Lock()
	defer s.dirty.Unlock()
	s.files = slices.DeleteFunc(s.files, func(g segmentFile) bool { return g == f })
}

// close flushes and gives the folder back.
func (s *spool) close() error {
	s.dirty.Lock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.dirty.Unlock()
	s.flush()
	return s.unlock()
}
