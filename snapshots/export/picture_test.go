package export

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/snapshots"
)

// document has two modes.
func document(t *testing.T) *snapshots.RunDocument {
	t.Helper()
	d := recorded(t, "unet/varied", cachemodes.BucketMode).Document()
	d.Results = append(d.Results, recorded(t, "unet/varied", cachemodes.Simple).Result())
	return d
}

// TestPictures: the SVG is XML with both modes in it, the PNG an image; neither
// fails on a document with nothing to draw.
func TestPictures(t *testing.T) {
	d := document(t)
	svg := exported(t, func(b *bytes.Buffer) error { return SVG(b, d) })
	dec := xml.NewDecoder(bytes.NewReader(svg))
	paths := 0
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "path" {
			paths++
		}
	}
	for _, want := range []string{"peak bucket", "average simple", "floor", "buffers created", "MiB"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("%q is not in the picture", want)
		}
	}
	if paths < 20 {
		t.Errorf("%d paths are no plots", paths)
	}
	img, err := png.Decode(bytes.NewReader(exported(t, func(b *bytes.Buffer) error { return PNG(b, d) })))
	if err != nil {
		t.Fatal(err)
	}
	if s := img.Bounds().Size(); s.X < 1000 || s.Y < 1000 {
		t.Errorf("the picture has %v points", s)
	}
	d.Results = d.Results[:1]
	d.Results[0].Runs, d.Results[0].Keys = nil, nil
	exported(t, func(b *bytes.Buffer) error { return SVG(b, d) })
}

// browsers are the programs that can draw a page without a screen.
var browsers = []string{"google-chrome", "google-chrome-stable", "chromium", "chromium-browser"}

// TestHTML: the page asks for nothing from outside, carries the document, and,
// where there is a browser, draws it.
func TestHTML(t *testing.T) {
	d := document(t)
	d.Workload.Name = `</script><script>alert("x")</script>`
	page := string(exported(t, func(b *bytes.Buffer) error { return HTML(b, d) }))
	if n := strings.Count(page, "</script>"); n != 2 {
		t.Errorf("%d ends of scripts: a name broke out", n)
	}
	outside := regexp.MustCompile(`(?i)(src|href)=|@import|url\(|fetch\(|XMLHttpRequest|https?://`)
	for _, hit := range outside.FindAllString(strings.ReplaceAll(page, `"http://www.w3.org/2000/svg"`, ""), -1) {
		t.Errorf("the page has %q", hit)
	}
	_, text, _ := strings.Cut(page, `id="document">`)
	text, _, _ = strings.Cut(text, "</script>")
	var again snapshots.RunDocument
	if err := json.Unmarshal([]byte(text), &again); err != nil {
		t.Fatal(err)
	}
	if again.Results[1].Totals.PeakHeldBytes != d.Results[1].Totals.PeakHeldBytes || again.Workload.Name != d.Workload.Name {
		t.Errorf("the page carries %+v", again.Workload)
	}
	for _, name := range browsers {
		browser, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		file := filepath.Join(t.TempDir(), "page.html")
		if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "file://"+file).Output()
		if err != nil {
			t.Fatalf("%s: %v", browser, err)
		}
		if n := strings.Count(string(out), "<path"); n < 6 || !strings.Contains(string(out), "372MiB") {
			t.Errorf("%s drew %d lines", name, n)
		}
		return
	}
	t.Log("no browser here; the CI machine has one")
}
