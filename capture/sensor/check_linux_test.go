//go:build amd64 || arm64

package sensor_test

import (
	"errors"
	"testing"

	"kingsnake/capture/sensor"
)

func TestCheckSaysWhatToDoAboutEachThingThatIsMissing(t *testing.T) {
	works := true
	for _, c := range sensor.Check() {
		t.Logf("%-26s ok=%-5v %s. %s", c.Name, c.OK, c.Detail, c.Fix)
		if c.Name == "" || c.Detail == "" || c.OK != (c.Fix == "") {
			t.Errorf("capability %+v is not said in full", c)
		}
		works = works && (c.OK || c.Optional)
	}
	s, err := sensor.Open(sensor.Config{})
	if works != (err == nil) {
		t.Errorf("Check says that capturing works: %v, Open says: %v%s", works, err, verifierLog(err))
	}
	if err == nil {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	} else if !errors.Is(err, sensor.ErrNotSupported) {
		t.Errorf("Open's error does not wrap ErrNotSupported: %v", err)
	}
}
