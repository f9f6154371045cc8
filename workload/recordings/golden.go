// Package recordings has, for tests, what the recorded engine itself created
// and destroyed on the streams of package workload. No program imports it, so
// none carries its files.
//
// This directory also holds those streams, which package workload embeds. They
// are the recorder's files, byte for byte, as
//
//	zstd -19 MODEL-PATTERN.jsonl
package recordings

import (
	"embed"
	"encoding/json"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

//go:embed *.golden.json.zst
var files embed.FS

// Run is what the engine did with storage buffers between run_start and
// run_end of one run, weights excluded.
type Run struct {
	Session      int64  `json:"session"`
	Run          int64  `json:"run"`
	Label        string `json:"label"`
	Creates      int64  `json:"creates"`
	CreateBytes  int64  `json:"create_bytes"`
	EndHeldBytes int64  `json:"end_held_bytes"` // at run_end
	// Destroys is nil where the recorder did not count them.
	Destroys *int64 `json:"destroys"`
	// UniformCreates are of uniform buffers, under the engine's default
	// uniform mode, simple.
	UniformCreates int64 `json:"uniform_creates"`
}

// Golden returns the engine's figures for a recording, named as
// workload.Builtin does: for each mode the runs in order.
func Golden(name string) (map[string][]Run, error) {
	f, err := files.Open(strings.ReplaceAll(name, "/", "-") + ".golden.json.zst")
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	zr, err := zstd.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer zr.Close()
	return Read(zr)
}

// Read reads the engine's figures from a golden's JSON.
func Read(r io.Reader) (map[string][]Run, error) {
	var doc struct {
		Modes map[string]struct{ Storage []Run }
	}
	if err := json.NewDecoder(r).Decode(&doc); err != nil {
		return nil, err
	}
	golden := make(map[string][]Run, len(doc.Modes))
	for mode, figures := range doc.Modes {
		golden[mode] = figures.Storage
	}
	return golden, nil
}
