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
	"regexp"
	"strings"
	"testing"

	"bucketscope/internal/ptytest"
)

// pictures is where TestPicture leaves the pictures of the documents.
var pictures = flag.String("pictures", "", "folder to write the pictures of the documents to")

// previewed is the last line of Tune's preview.
var previewed = regexp.MustCompile(`change +[+-][\d.]+%`)

// allFound is the title of the events once a filter has looked at all of them.
var allFound = regexp.MustCompile(`Events, \S+ of \S+: type:miss size>=1MiB`)

// sessionsPicture is of three models on one device, which lend each other
// buffers, one of them held.
func sessionsPicture(t *testing.T, bin string) []byte {
	t.Helper()
	p := ptytest.Start(t, command(t, bin, []string{"COLORTERM=truecolor"}, "--device", "host", "--session", "phi3-mini-4k/grow", "--session", "bert/varied", "--session", "unet/varied", "--pace", "12"), 120, 34)
	p.Until("some runs", func(s ptytest.Screen) bool { return number(s, runNumber) >= 90 })
	p.Press("5", "j", "j")
	p.See("Sessions, scope device", "Runs of session 1", "lent →")
	p.Press("P")
	p.See("❚❚ held")
	p.Press("k")
	p.Until("the others to go on", func(s ptytest.Screen) bool {
		return s.Has("Runs of session 0", "❚❚ held") && number(s, runNumber) >= 130
	})
	svg := p.SVG()
	p.Press("q")
	if code := p.Exit(); code != 0 {
		t.Errorf("q ends with code %d", code)
	}
	return svg
}

// TestPicture takes the pictures of the documents from the running program:
//
//	go test . -run TestPicture -pictures docs
func TestPicture(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "bucketscope")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	p := ptytest.Start(t, command(t, bin, []string{"COLORTERM=truecolor"}, "--device", "host", "--workload", "phi3-mini-4k/grow", "--pace", "30"), 120, 34)
	p.Until("a conversation", func(s ptytest.Screen) bool { return number(s, runNumber) >= 60 })
	p.Press("m")
	p.See("Cache mode")
	p.Press("d", "y", "enter")
	p.Until("another conversation", func(s ptytest.Screen) bool { return s.Has("mode→dynamicBucket") && number(s, runNumber) >= 120 })
	p.Press("+", "+")
	p.See("last 15 s")
	svg := p.SVG()
	p.Resize(120, 48)
	p.Press("2", "o")
	p.Until("births and deaths of keys", func(s ptytest.Screen) bool {
		return s.Has("Keys of storage: dynamicBucket, by size", "~ ~ ~ ~ ~", "×") && number(s, runNumber) >= 125
	})
	p.Press("left", "left", "left")
	p.See("asked,", "destroyed, peak")
	buckets := p.SVG()
	p.Resize(120, 34)
	p.Press("3", "/", "type:miss", " ", "size>=1MiB", "enter")
	p.Until("all misses to be found", func(s ptytest.Screen) bool {
		return s.Has("! miss") && allFound.MatchString(s.String())
	})
	p.Press("k")
	p.Until("a moment of the past", func(s ptytest.Screen) bool { return number(s, pastEvent) > 0 && s.Has("miss of ") })
	events := p.SVG()
	p.Press("4", "/", "state:in_use", " ", "usage:storage", "enter", "o")
	p.See("Buffers, all", ": state:in_use usage:storage", "by idle runs")
	buffers := p.SVG()
	p.Press("end", "6")
	p.Until("a comparison", func(s ptytest.Screen) bool { return s.Has("B ─ now", "dynamicBucket") && number(s, inCommon) >= 50 })
	compared := p.SVG()
	p.Press("m", "bucket", "enter", "7")
	p.See("Tune, storage: bucket", "in force")
	p.Press("G", "k", "k", "k", "k", "k", "k", "k", "k", "k", "k", "k", "c", "64", "enter", "A", "5MiB:64", "enter")
	p.Until("a preview", func(s ptytest.Screen) bool { return s.Has("–→64") && previewed.MatchString(s.String()) })
	tuned := p.SVG()
	p.Press("q")
	if code := p.Exit(); code != 0 {
		t.Errorf("q ends with code %d", code)
	}
	sessions := sessionsPicture(t, bin)
	const blank = "\u00a0" // browsers take several of others for one
	for _, want := range []string{"LIVE", "dynamicBucket", "peak", "held" + blank + "bytes"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	for name, picture := range map[string][]byte{"live.svg": svg, "buckets.svg": buckets, "events.svg": events, "buffers.svg": buffers, "compare.svg": compared, "tune.svg": tuned, "sessions.svg": sessions} {
		for d := xml.NewDecoder(bytes.NewReader(picture)); ; {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s is no XML: %v", name, err)
			}
			if text, ok := token.(xml.CharData); ok && strings.Contains(string(text), " ") {
				t.Errorf("%s: %q has blanks that a browser would not keep", name, text)
			}
		}
		if *pictures == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(*pictures, name), picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
