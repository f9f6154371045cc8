package export

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"bucketscope/cachemodes"
	"bucketscope/internal/tooltest"
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

// TestHTML: the page asks for nothing from outside and carries the document.
func TestHTML(t *testing.T) {
	d, page := htmlPage(t)
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
}

// htmlPage is a page of a document with a name that would end the script that it
// stands in.
func htmlPage(t *testing.T) (*snapshots.RunDocument, string) {
	d := document(t)
	d.Workload.Name = `</script><script>alert("x")</script>`
	return d, string(exported(t, func(b *bytes.Buffer) error { return HTML(b, d) }))
}

// TestHTMLDrawn opens the page in a browser: it draws the graphs and tables, has
// nothing to complain of, and fetches nothing but itself.
func TestHTMLDrawn(t *testing.T) {
	browser := tooltest.Find(t, tooltest.Browsers...)
	_, page := htmlPage(t)
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.Path)
		mu.Unlock()
		if r.URL.Path != "/page.html" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, page)
	}))
	defer server.Close()
	var complaints bytes.Buffer
	// No name resolves, so that the browser's own questions go nowhere.
	cmd := exec.CommandContext(t.Context(), browser, "--headless", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(),
		"--enable-logging=stderr", "--dump-dom", server.URL+"/page.html")
	cmd.Stderr = &complaints
	dom, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", browser, err, &complaints)
	}
	for _, want := range []string{"372MiB", "bucket", "simple"} {
		if !bytes.Contains(dom, []byte(want)) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if n := bytes.Count(dom, []byte("<path")); n < 6 {
		t.Errorf("it draws %d lines", n)
	}
	for _, line := range strings.Split(complaints.String(), "\n") {
		if strings.Contains(line, "CONSOLE") {
			t.Errorf("the browser says %s", line)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, path := range asked {
		if path != "/page.html" && path != "/favicon.ico" { // which browsers ask of any server
			t.Errorf("it fetches %s", path)
		}
	}
}
