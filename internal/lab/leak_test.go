package lab

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain holds the tests to end every goroutine that they begin.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
