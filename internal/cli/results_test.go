package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"bucketscope/internal/quiet"
)

// TestResultsDocument: docs/results.md is what the command says of the files
// beside it and of the recordings; -update rewrites it.
func TestResultsDocument(t *testing.T) {
	if !plainBuild {
		t.Skip("documents are compared in a plain build")
	}
	files, err := filepath.Glob(filepath.Join(root, "docs", "results", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no calibrations and measurements: %v", err)
	}
	var out bytes.Buffer
	a := &app{out: &out, err: io.Discard, stream: quiet.None()}
	cmd := a.root()
	cmd.SetArgs(append([]string{"results"}, files...))
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "docs", "results.md")
	if *update {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, out.Bytes()) {
		t.Errorf("%s is out of date: run make results", path)
	}
}
