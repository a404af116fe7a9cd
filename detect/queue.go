package detect

import (
	"maps"
	"sync"
	"sync/atomic"

	"kingsnake/capture"
	"kingsnake/classify"
)

// queue is a channel of scripts that is bounded in bytes as well.
type queue struct {
	scripts  chan *capture.Script // pointers: a queue takes little room while it is empty
	bytes    atomic.Int64
	maxBytes int64
}

func newQueue(scripts int, bytes int64) *queue {
	return &queue{scripts: make(chan *capture.Script, scripts), maxBytes: bytes}
}

// offer queues s, or returns false at once when there is no room.
func (q *queue) offer(s capture.Script) bool {
	n := int64(sizeOf(s))
	if q.bytes.Add(n) > q.maxBytes {
		q.bytes.Add(-n)
		return false
	}
	select {
	case q.scripts <- &s:
		return true
	default:
		q.bytes.Add(-n)
		return false
	}
}

// done gives back the room of a script that was taken from the queue.
func (q *queue) done(s capture.Script) { q.bytes.Add(-int64(sizeOf(s))) }

// counts is what a pipeline did, safe for concurrent use.
type counts struct {
	mu              sync.Mutex
	nJudged, nFound uint64
	lost            map[string]uint64
}

func (c *counts) judged() { c.mu.Lock(); c.nJudged++; c.mu.Unlock() }
func (c *counts) found()  { c.mu.Lock(); c.nFound++; c.mu.Unlock() }

func (c *counts) lose(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost == nil {
		c.lost = map[string]uint64{}
	}
	c.lost[why]++
}

func (c *counts) snapshot() (judged, found uint64, lost map[string]uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nJudged, c.nFound, maps.Clone(c.lost)
}

// verdicts remembers what was judged, by digest: the verdict is a function of
// the text and the model, which it names. It holds two generations: when the young one is full it
// becomes the old one, so that a script seen now and then stays, and the bound
// holds without a list.
type verdicts struct {
	mu         sync.Mutex
	young, old map[capture.Digest]classify.Verdict
}

// generation is how many verdicts one generation holds.
const generation = 4096

func (v *verdicts) get(d capture.Digest) (classify.Verdict, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if got, ok := v.young[d]; ok {
		return got, true
	}
	got, ok := v.old[d]
	if ok {
		v.add(d, got)
	}
	return got, ok
}

func (v *verdicts) put(d capture.Digest, got classify.Verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.add(d, got)
}

func (v *verdicts) add(d capture.Digest, got classify.Verdict) {
	if v.young == nil || len(v.young) >= generation {
		v.old, v.young = v.young, map[capture.Digest]classify.Verdict{}
	}
	v.young[d] = got
}
