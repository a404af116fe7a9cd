package main

import (
	"testing"

	"kingsnake/capture"
	"kingsnake/finding"
)

func TestALimitThatIsMeantHasOneName(t *testing.T) {
	t.Parallel()
	if capture.CompiledTooMuch != finding.CompiledTooMuch {
		t.Errorf("capturing counts %q, findings leave out %q", capture.CompiledTooMuch, finding.CompiledTooMuch)
	}
}
