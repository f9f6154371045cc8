//go:build unix

package main_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"bucketscope/internal/ptytest"
)

// pictures is where TestPicture leaves the pictures of the documents.
var pictures = flag.String("pictures", "", "folder to write the pictures of the documents to")

// TestPicture takes the pictures of the documents from the running program:
//
//	go test . -run TestPicture -pictures docs
func TestPicture(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "bucketscope")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	p := ptytest.Start(t, command(t, bin, []string{"COLORTERM=truecolor"}, "--device", "host", "--workload", "phi3-mini-4k/grow", "--pace", "30"), 110, 32)
	p.Until("a conversation", func(s ptytest.Screen) bool { return number(s, runNumber) >= 60 })
	p.Press("m")
	p.See("Cache mode")
	p.Press("d", "y", "enter")
	p.Until("another conversation", func(s ptytest.Screen) bool { return s.Has("mode→dynamicBucket") && number(s, runNumber) >= 120 })
	p.Press("+", "+")
	p.See("last 15 s")
	svg := p.SVG()
	p.Press("q")
	if code := p.Exit(); code != 0 {
		t.Errorf("q ends with code %d", code)
	}
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
	}
	for _, want := range []string{"LIVE", "dynamicBucket", "peak", "held bytes"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	if *pictures != "" {
		if err := os.WriteFile(filepath.Join(*pictures, "live.svg"), svg, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
