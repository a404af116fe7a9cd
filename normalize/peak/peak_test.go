package peak_test

import (
	"testing"
	"time"

	"kingsnake/normalize/peak"
)

func TestOf(t *testing.T) {
	const size = 32 << 20
	var kept []byte
	n := peak.Of(func() {
		kept = make([]byte, size)
		kept[size-1] = 1
		time.Sleep(50 * time.Millisecond) // long enough to be looked at
	})
	if n < size || n > 2*size {
		t.Errorf("%d bytes, want about %d", n, size)
	}
	if n := peak.Of(func() { kept[0]++ }); n > size/2 {
		t.Errorf("%d bytes for nothing, want few", n)
	}
}
