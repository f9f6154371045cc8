package tui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bucketscope/internal/engine"
	"bucketscope/workload"
)

// sink is an output that a test may read while it is written.
type sink struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// started waits until the program has drawn something.
func (s *sink) started(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(s.String(), altScreenOn); {
		if time.Now().After(deadline) {
			t.Fatalf("nothing was drawn: %q", s.String())
		}
		time.Sleep(time.Millisecond)
	}
}

const (
	altScreenOn  = "\x1b[?1049h"
	altScreenOff = "\x1b[?1049l"
	cursorOn     = "\x1b[?25h"
)

// start runs the screen on pipes.
func start(ctx context.Context, t *testing.T, o Options) (keys io.Writer, out *sink, ended <-chan error) {
	t.Helper()
	in, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	out = &sink{}
	o.Input, o.Output, o.Environ = in, out, []string{"TERM=xterm-256color"}
	if o.Engine == nil {
		o.Engine = &fake{st: fixture()}
	}
	o.Workloads = testWorkloads
	done := make(chan error, 1)
	go func() { done <- Run(ctx, o) }()
	out.started(t)
	return w, out, done
}

func wait(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(time.Minute):
		t.Fatal("the screen does not end")
		return nil
	}
}

func checkRestored(t *testing.T, out *sink) {
	t.Helper()
	s := out.String()
	if strings.LastIndex(s, altScreenOff) < strings.LastIndex(s, altScreenOn) || !strings.HasSuffix(s[:strings.LastIndex(s, "h")+1], cursorOn) {
		t.Errorf("the terminal was not restored: %q", s[max(0, len(s)-200):])
	}
}

func TestRunQuits(t *testing.T) {
	keys, out, ended := start(context.Background(), t, Options{})
	if _, err := io.WriteString(keys, "q"); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, ended); err != nil {
		t.Errorf("q: %v", err)
	}
	checkRestored(t, out)
}

// TestRunEnds: the end of the context is no error, and ends what is loading.
func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	given := make(chan struct{})
	began := make(chan struct{})
	keys, out, ended := start(ctx, t, Options{LoadWorkload: func(ctx context.Context, _ string) (*workload.Trace, error) {
		close(began)
		<-ctx.Done()
		close(given)
		return nil, ctx.Err()
	}})
	if _, err := io.WriteString(keys, "w\r"); err != nil {
		t.Fatal(err)
	}
	<-began
	cancel()
	if err := wait(t, ended); err != nil {
		t.Errorf("the end of the context: %v", err)
	}
	<-given
	checkRestored(t, out)
}

// TestRunPanics: a fault of the screen's own leaves the terminal restored.
func TestRunPanics(t *testing.T) {
	testPanics(t, Options{Engine: &broken{fake{st: fixture()}}}, "n", "(*broken).Step")
}

// TestRunTaskPanics: a fault in what is done beside the screen ends it as one of
// the screen's own does.
func TestRunTaskPanics(t *testing.T) {
	testPanics(t, Options{Save: func(context.Context, *engine.State) (string, error) {
		panic("a fault that the test made")
	}}, "s", "TestRunTaskPanics")
}

// testPanics presses a key at which the program breaks, and looks for the fault
// and where it was in the log as soon as the screen has ended.
func testPanics(t *testing.T, o Options, key, where string) {
	t.Helper()
	// Bubble Tea prints the stack there; the program has its log there.
	stderr := os.Stderr
	t.Cleanup(func() { os.Stderr = stderr })
	var err error
	if os.Stderr, err = os.Create(filepath.Join(t.TempDir(), "log")); err != nil {
		t.Fatal(err)
	}
	keys, out, ended := start(t.Context(), t, o)
	if _, err := io.WriteString(keys, key); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, ended); !errors.Is(err, ErrScreen) {
		t.Errorf("it ended with %v", err)
	}
	checkRestored(t, out)
	log, err := os.ReadFile(os.Stderr.Name())
	for _, want := range []string{"a fault that the test made", where} {
		if err != nil || !strings.Contains(string(log), want) {
			t.Errorf("the log lacks %q: %v, %q", want, err, log)
		}
	}
}

// broken is an engine that panics when it is to step.
type broken struct{ fake }

func (*broken) Step() { panic("a fault that the test made") }

func TestRunRefuses(t *testing.T) {
	err := Run(context.Background(), Options{Engine: &fake{st: fixture()}, Theme: "sepia"})
	if err == nil || err.Error() != `there is no theme "sepia"; the themes are auto, dark, light, mono` {
		t.Errorf("theme sepia: %v", err)
	}
}
