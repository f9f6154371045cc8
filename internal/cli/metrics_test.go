package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"bucketscope/internal/quiet"
)

// TestMetrics scrapes a run while it goes on.
func TestMetrics(t *testing.T) {
	said, say, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := &app{out: io.Discard, err: say, stream: quiet.None()}
	cmd := a.root()
	cmd.SetArgs([]string{"run", "--device", "host", "--workload", "bert/varied", "--repeat", "1000000", "--metrics", ":0"})
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.ExecuteContext(ctx)
		_ = say.Close()
	}()
	line := make([]byte, 200)
	n, err := said.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(strings.TrimPrefix(string(line[:n]), "metrics: "))
	deadline := time.Now().Add(time.Minute)
	for {
		r, err := http.Get(url)
		if err != nil {
			t.Fatalf("%v (it said %q)", err, line[:n])
		}
		text, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), `gpucache_events_total{event="create",usage="storage"} `) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no metrics came:\n%s", text)
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	if r, err := http.Get(url); err == nil {
		r.Body.Close()
		t.Error("it serves on after its end")
	}
}
