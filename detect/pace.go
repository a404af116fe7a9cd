package detect

import (
	"sync"
	"time"
)

// paceBurst is how much processor time may be used at once after a rest.
const paceBurst = 2 * time.Second

// pace keeps what judging costs under a share of the machine: a bucket that
// fills with time and is emptied by what was used. A nil pace never waits.
type pace struct {
	share float64              // processors; 0 means no limit
	used  func() time.Duration // processor time used so far
	now   func() time.Time
	sleep func(time.Duration)

	mu     sync.Mutex
	left   time.Duration // in the bucket; less than nothing when more was used
	filled time.Time     // when left was right
	spent  time.Duration // what used said then
}

func newPace(share float64, used func() time.Duration) *pace {
	if used == nil {
		share = 0
	}
	return &pace{share: share, used: used, now: time.Now, sleep: time.Sleep, left: paceBurst}
}

// wait returns when there is something in the bucket. It reports whether that
// took a while.
func (p *pace) wait() bool {
	if p == nil || p.share <= 0 {
		return false
	}
	late := p.behind()
	if late <= 0 {
		return false
	}
	p.sleep(min(late, time.Second))
	return true
}

// behind brings the bucket up to date and returns how long it takes until there
// is something in it.
func (p *pace) behind() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, spent := p.now(), p.used()
	if !p.filled.IsZero() {
		p.left += time.Duration(float64(now.Sub(p.filled)) * p.share)
	} else {
		p.spent = spent // what it took to start is not judging
	}
	p.left = min(p.left-(spent-p.spent), paceBurst)
	p.filled, p.spent = now, spent
	if p.left > 0 {
		return 0
	}
	return time.Duration(float64(-p.left)/p.share) + time.Millisecond
}
