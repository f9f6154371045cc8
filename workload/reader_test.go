package workload

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

// macros are the lines that stand for others in scripts.
var macros = map[string]string{
	"@header": `{"format":"bucketscope-trace","version":1,"engine":"e","model":"m","pattern":"p","note":"n"}`,
	"@loaded": `{"format":"bucketscope-trace","version":1}
{"op":"session_create","t_us":1,"session":0,"model":"m"}
{"op":"session_ready","t_us":2,"session":0}`,
	"@run": `{"op":"run_start","session":0,"run":0,"label":"a"}`,
}

// packed builds the input of a read command.
func packed(t testing.TB, options, lines []string) []byte {
	t.Helper()
	quoted, junk, cut, pack := false, false, 0, ""
	for _, o := range options {
		switch n, isCut := strings.CutPrefix(o, "cut="); {
		case isCut:
			cut, _ = strconv.Atoi(n)
		case o == "quoted":
			quoted = true
		case o == "junk":
			junk = true
		default:
			pack = o
		}
	}
	var b bytes.Buffer
	for _, l := range lines {
		if m, ok := macros[l]; ok {
			l = m
		} else if quoted {
			text, err := strconv.Unquote(`"` + strings.ReplaceAll(l, `"`, `\"`) + `"`)
			if err != nil {
				t.Fatalf("%s: %v", l, err)
			}
			l = text
		}
		b.WriteString(l + "\n")
	}
	data := compress(t, pack, b.Bytes())
	data = data[:len(data)-cut]
	if junk {
		data = append(data, "and something else"...)
	}
	return data
}

func compress(t testing.TB, pack string, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch pack {
	case "":
		return text
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zstd":
		var err error
		if w, err = zstd.NewWriter(&b); err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatalf("unknown option %q", pack)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// summary is what a script shows of a trace.
func summary(trace *Trace) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d sessions, %d runs, %d events, %d slots; loop: %d events",
		len(trace.Sessions), len(trace.Runs), len(trace.Events), trace.Slots, len(trace.Loop()))
	for _, l := range trace.Leaks {
		fmt.Fprintf(&b, "\nleak of line %d: buf %d, %d bytes of %v, session %d",
			l.Line, l.Buf, l.Bytes, l.Usage, trace.Sessions[l.Session].ID)
	}
	return b.String()
}

func TestRead(t *testing.T) {
	runScript(t, "testdata/read.txt", func(t *testing.T, c scriptCase) string {
		trace, err := Read(bytes.NewReader(packed(t, c.command[1:], c.input)), "FILE")
		if err == nil {
			return summary(trace)
		}
		var bad *FormatError
		if !errors.As(err, &bad) || trace != nil || bad.File != "FILE" || bad.Line < 1 {
			t.Errorf("%v is a %T, with a trace: %v", err, err, trace != nil)
		}
		return err.Error()
	})
}

func TestReadKeepsTheFacts(t *testing.T) {
	text := packed(t, nil, []string{"@loaded", "@run", `{"op":"run_end","session":0,"run":0}`})
	plain, err := Read(bytes.NewReader(text), "name")
	if err != nil {
		t.Fatal(err)
	}
	if plain.Name != "name" || plain.Header.Format != FormatName || plain.Header.Version != FormatVersion {
		t.Errorf("name %q, header %+v", plain.Name, plain.Header)
	}
	for _, pack := range []string{"gzip", "zstd"} {
		trace, err := Read(bytes.NewReader(compress(t, pack, text)), "name")
		if err != nil {
			t.Fatal(err)
		}
		if trace.SHA256 != plain.SHA256 {
			t.Errorf("%s: SHA256 %s, not that of the text, %s", pack, trace.SHA256, plain.SHA256)
		}
	}
	// Several gzip members, and a skippable frame of zstd before the first.
	twice := append(compress(t, "gzip", text[:50]), compress(t, "gzip", text[50:])...)
	skipped := append([]byte("\x50\x2a\x4d\x18\x02\x00\x00\x00xx"), compress(t, "zstd", text)...)
	for _, data := range [][]byte{twice, skipped} {
		trace, err := Read(iotest.OneByteReader(bytes.NewReader(data)), "name")
		if err != nil {
			t.Fatal(err)
		}
		if trace.SHA256 != plain.SHA256 {
			t.Errorf("SHA256 %s, not %s", trace.SHA256, plain.SHA256)
		}
	}
}

func TestReadLimits(t *testing.T) {
	text := packed(t, nil, []string{"@loaded", "@run", `{"op":"run_end","session":0,"run":0}`})
	long := append(bytes.Clone(text), fmt.Sprintf(`{"op":"session_release","session":0,"x":%q}`, strings.Repeat("x", maxLine))...)
	for _, c := range []struct {
		text []byte
		l    limits
		want string
	}{
		{text, limits{events: 3, text: 100}, "FILE:5: more than 3 events"},
		{text, limits{events: 9, text: 1}, "FILE:4: labels and model names of more than 1 bytes"},
		{long, defaultLimits, "FILE:6: a line of more than 1048576 bytes"},
		{make([]byte, maxLine+1), defaultLimits, "FILE:1: a line of more than 1048576 bytes"},
	} {
		if _, err := read(bytes.NewReader(c.text), "FILE", c.l); err == nil || err.Error() != c.want {
			t.Errorf("%v, not %s", err, c.want)
		}
	}
	if _, err := read(bytes.NewReader(text), "FILE", limits{events: 4, text: 2}); err != nil {
		t.Error(err)
	}
}

// TestReadBomb reads a gigabyte of compressed zeros: one line that is too long.
func TestReadBomb(t *testing.T) {
	zeros := make([]byte, 1<<20)
	for _, pack := range []string{"gzip", "zstd"} {
		member := compress(t, pack, zeros)
		bomb := bytes.Repeat(member, 1024)
		used := testing.AllocsPerRun(1, func() {
			if _, err := Read(bytes.NewReader(bomb), "bomb"); err == nil {
				t.Error("no error")
			}
		})
		if used > 2000 {
			t.Errorf("%s: %v allocations", pack, used)
		}
	}
}

// TestReadFailure tells a reader that fails from a file that is wrong.
func TestReadFailure(t *testing.T) {
	text := packed(t, nil, []string{"@loaded"})
	failure := errors.New("the disk is gone")
	for _, pack := range []string{"", "gzip", "zstd"} {
		data := compress(t, pack, text)
		r := io.MultiReader(bytes.NewReader(data[:len(data)-20]), iotest.ErrReader(failure))
		_, err := Read(r, "FILE")
		var bad *FormatError
		if !errors.Is(err, failure) || errors.As(err, &bad) {
			t.Errorf("%q: %v", pack, err)
		}
	}
}

func TestFormatErrorUnwraps(t *testing.T) {
	data := packed(t, []string{"gzip", "cut=9"}, []string{"@loaded"})
	if _, err := Read(bytes.NewReader(data), "FILE"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v does not wrap io.ErrUnexpectedEOF", err)
	}
}

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl.gz") // the name is no hint
	if err := os.WriteFile(path, packed(t, []string{"zstd"}, []string{"@loaded"}), 0o644); err != nil {
		t.Fatal(err)
	}
	trace, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if trace.Name != path {
		t.Errorf("name %q", trace.Name)
	}
	if _, err := Open(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}

	stdin := os.Stdin
	defer func() { os.Stdin = stdin }()
	if os.Stdin, err = os.Open(path); err != nil {
		t.Fatal(err)
	}
	defer os.Stdin.Close()
	if trace, err = Open("-"); err != nil || trace.Name != "stdin" {
		t.Errorf("%v", err)
	}
}

func TestParseLabel(t *testing.T) {
	for _, c := range []struct {
		label  string
		kind   RunKind
		tokens int64
	}{
		{"conv0 step3 n=1 total=131", Decode, 1},
		{"conv3 step9 n=37 total=173", Prompt, 37},
		{"llm n=96 total=96", Prompt, 96},
		{"n=1 total=1", Decode, 1},
		{"total=8 n=8", Prompt, 8},
		{"n=96", Other, 0},
		{"total=96", Other, 0},
		{"n=2 total=1", Other, 0},
		{"n=0 total=1", Other, 0},
		{"n=-3 total=1", Other, 0},
		{"n=x total=96", Other, 0},
		{"n=99999999999999999999 total=99999999999999999999", Other, 0},
		{"b=1 s=17", Other, 0},
		{"1x4x64x64", Other, 0},
		{"", Other, 0},
	} {
		if kind, tokens := parseLabel(c.label); kind != c.kind || tokens != c.tokens {
			t.Errorf("%q: kind %d, %d tokens; not %d, %d", c.label, kind, tokens, c.kind, c.tokens)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, c := range readScript(f, "testdata/read.txt") {
		f.Add(packed(f, c.command[1:], c.input))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		trace, err := Read(bytes.NewReader(data), "FILE")
		if err != nil {
			var bad *FormatError
			if !errors.As(err, &bad) {
				t.Errorf("%v is a %T", err, err)
			}
			return
		}
		checkTrace(t, trace)
		checkRoundTrip(t, trace)
	})
}

// FuzzLine holds the fast path to the slow one.
func FuzzLine(f *testing.F) {
	for _, l := range []string{
		`{"op":"request","t_us":3,"session":0,"run":0,"buf":1,"bytes":16,"usage":"storage","phase":"run"}`,
		`{"op":"request","t_us":-3,"session":0,"run":null,"buf":1,"bytes":16,"usage":"user","phase":"init"}`,
		` { "op" : "submit" , "dispatches" : 16 , "copies" : 0 } ` + "\r",
		`{"op":"run_start","session":0,"run":0,"label":"conv0 step3 n=1 total=131"}`,
		`{"op":"release","buf":123456789012345678}`,
		`{"op":"release","buf":1.5}`,
		`{}`,
	} {
		f.Add([]byte(l))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.ContainsRune(b, '\n') {
			return // no line
		}
		var fast, slow line
		if !fast.scan(b) {
			return
		}
		if err := slow.parse(b); err != nil {
			t.Fatalf("scan takes %q: %v", b, err)
		}
		if fast != slow {
			t.Fatalf("%q: %+v by scan, %+v by parse", b, fast, slow)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load("phi3-mini-4k/grow"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	var text bytes.Buffer
	if err := Write(&text, loadBuiltin(b, "phi3-mini-4k/grow")); err != nil {
		b.Fatal(err)
	}
	for _, pack := range []string{"", "gzip", "zstd"} {
		name := pack
		if pack == "" {
			name = "plain"
		}
		data := compress(b, pack, text.Bytes())
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Read(bytes.NewReader(data), "x"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
