package snapshots

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/workload"
)

// recorded is a snapshot of a workload, and the result that the engine made of
// it itself.
func recorded(t testing.TB, name string, mode cachemodes.ModeID, repeat int) (*Snapshot, ModeResult) {
	t.Helper()
	tr, err := workload.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	cfg := cachemodes.DefaultConfig()
	cfg[cachemodes.Storage].Mode = mode
	res, err := engine.Profile(t.Context(), tr, device.NewHost(), engine.Options{Config: cfg, Weights: engine.MakeWeights, Repeat: repeat, Record: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &Snapshot{
		About: About{
			Program:  "bucketscope test",
			Workload: RunWorkload{Name: tr.Name, Model: tr.Header.Model, Pattern: tr.Header.Pattern, SHA256: tr.SHA256, Events: len(tr.Events), Runs: len(tr.Runs), Sessions: len(tr.Sessions)},
			Device:   RunDevice{Kind: "host", Name: "host", Type: "none", Weights: "make"},
			Repeat:   repeat, Events: res.Events, ElapsedUS: res.Elapsed.Microseconds(),
			Driver: DriverSource{Reason: "no device"}, Marks: []Mark{{AtUS: 5, Run: 1, Text: "a mark"}},
		},
		History: res.History,
	}
	var ids []int64
	for _, x := range tr.Sessions {
		s.Sessions = append(s.Sessions, SessionName{ID: x.ID, Model: x.Model})
		ids = append(ids, x.ID)
	}
	var sessions []MeasuredSession
	for _, x := range res.Sessions {
		sessions = append(sessions, MeasuredSession{Model: x.Model, Workload: x.Workload, Books: x.Books})
	}
	return s, NewModeResult(Measured{
		Config: cfg, Total: res.Total, Usage: res.Usage, Runs: res.Runs, Keys: res.Keys, SessionIDs: ids, Sessions: sessions,
		Events: res.Events, Elapsed: res.Elapsed.Truncate(time.Microsecond),
	})
}

func written(t testing.TB, s *Snapshot) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSnapshot: a snapshot that is written and read has the figures that the
// engine had, of every mode, and is as its schema says.
func TestSnapshot(t *testing.T) {
	for _, m := range cachemodes.Modes() {
		s, want := recorded(t, "llama-3.2-1b/two", m.ID, 1)
		data := written(t, s)
		again, err := Read(iotest.OneByteReader(bytes.NewReader(data)), "x")
		if err != nil {
			t.Fatal(err)
		}
		if got := again.Result(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the figures differ:\n got %+v\nwant %+v", m.Name, got.Totals, want.Totals)
		}
		if !bytes.Equal(written(t, again), data) {
			t.Errorf("%s: written again, it differs", m.Name)
		}
		s.Format, s.Version = SnapshotFormat, SnapshotVersion
		if !reflect.DeepEqual(again.About, s.About) {
			t.Errorf("%s: it is of %+v, was of %+v", m.Name, again.About, s.About)
		}
		about, err := json.Marshal(again.About)
		if err != nil {
			t.Fatal(err)
		}
		if err := compileSchema(t, SnapshotSchema).Validate(parse(t, about)); err != nil {
			t.Error(err)
		}
		var doc bytes.Buffer
		if err := WriteRun(&doc, again.Document()); err != nil {
			t.Fatal(err)
		}
		validate(t, doc.Bytes())
	}
}

func compileSchema(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", parse(t, text)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSnapshotSize: a million events take under 10 MB. What time they take is
// BenchmarkSnapshot's to say.
func TestSnapshotSize(t *testing.T) {
	s, _ := recorded(t, "phi3-mini-4k/grow", cachemodes.BucketMode, 10)
	data := written(t, s)
	if s.Events < 1e6 || len(data) > 10e6 {
		t.Errorf("%d events take %d bytes", s.Events, len(data))
	}
	if _, err := Read(bytes.NewReader(data), "x"); err != nil {
		t.Error(err)
	}
}

// BenchmarkSnapshot is what a million events take.
func BenchmarkSnapshot(b *testing.B) {
	s, _ := recorded(b, "phi3-mini-4k/grow", cachemodes.BucketMode, 10)
	data := written(b, s)
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			written(b, s)
		}
		b.ReportMetric(float64(len(data)), "bytes")
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if _, err := Read(bytes.NewReader(data), "x"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestSnapshotDamaged: no byte of a snapshot can change, and none can be
// missing, without its being refused with a reason.
func TestSnapshotDamaged(t *testing.T) {
	s, _ := recorded(t, "unet/varied", cachemodes.BucketMode, 1)
	data := written(t, s)
	rng := rand.New(rand.NewPCG(1, 2))
	refused := func(what string, bad []byte) {
		_, err := Read(bytes.NewReader(bad), "x")
		var f *FormatError
		if !errors.As(err, &f) || !strings.HasPrefix(err.Error(), "x: ") {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for n := range data {
		bit := rng.IntN(8)
		bad := bytes.Clone(data)
		bad[n] ^= 1 << bit
		refused(fmt.Sprintf("bit %d of byte %d of %d", bit, n, len(data)), bad)
		if n%16 == 0 {
			refused(fmt.Sprintf("cut after %d of %d bytes", n, len(data)), data[:n])
		}
	}
	refused("with more", append(bytes.Clone(data), 0))
}

// sealed is a file with this inside and a checksum that matches.
func sealed(t *testing.T, loose []byte) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed := enc.EncodeAll(loose, nil)
	data := append(fmt.Appendf(nil, "bucketscope-snapshot 1 %d\n", len(packed)), packed...)
	sum := sha256.Sum256(data)
	return append(data, sum[:]...)
}

// TestSnapshotRefuses: each kind of damage is named.
func TestSnapshotRefuses(t *testing.T) {
	s, _ := recorded(t, "unet/varied", cachemodes.BucketMode, 1)
	data := written(t, s)
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	about := func(change func(*About)) []byte {
		a := s.About
		a.Format, a.Version = SnapshotFormat, SnapshotVersion
		change(&a)
		head, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		return sealed(t, s.History.AppendTo(append(binary.AppendUvarint(nil, uint64(len(head))), head...)))
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "not a bucketscope-snapshot"},
		{"a run document", []byte(`{"format":"bucketscope-run"}`), "not a bucketscope-snapshot"},
		{"newer", append([]byte("bucketscope-snapshot 3 anything\n"), rest...), "version 3 is newer than this program reads (2): open it with a newer bucketscope"},
		{"version 0", append([]byte("bucketscope-snapshot 0 5\n"), rest...), "version 0 does not exist"},
		{"no length", append([]byte("bucketscope-snapshot 1\n"), rest...), "its first line is"},
		{"a hostile length", append([]byte("bucketscope-snapshot 1 4611686018427387904\n"), rest...), "more than this program reads"},
		{"a long line", bytes.Repeat([]byte("bucketscope-snapshot"), 10), "cut in its first line"},
		{"cut", data[:len(line)+101], "the snapshot is cut: 100 of "},
		{"without its sum", data[:len(data)-1], "its checksum is missing"},
		{"changed", append(append(append(bytes.Clone(line), '\n'), rest[0]+1), rest[1:]...), "the checksum does not match"},
		{"more behind", append(bytes.Clone(data), 'x'), "bytes after its end"},
		{"no zstd", func() []byte {
			d := []byte("bucketscope-snapshot 1 3\nabc")
			sum := sha256.Sum256(d)
			return append(d, sum[:]...)
		}(), "damaged zstd data"},
		{"a bomb", sealed(t, make([]byte, maxLoose+1)), "decompressed it has more than"},
		{"nothing inside", sealed(t, nil), "what it is a recording of is cut"},
		{"no JSON inside", sealed(t, []byte("\x03abc")), "cannot be read"},
		{"another name inside", about(func(a *About) { a.Format = "other" }), `it calls itself "other" version 2 inside`},
		{"no sessions", about(func(a *About) { a.Sessions = nil }), "belongs to session 0 of 0"},
		{"no history", sealed(t, []byte("\x34"+`{"format":"bucketscope-snapshot","version":1,"a":12}`)), "the history: "},
	} {
		_, err := Read(bytes.NewReader(c.data), "x")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			if c.name == "no sessions" && err != nil && strings.Contains(err.Error(), "is of session 0 of 0") {
				continue
			}
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	wrong := errors.New("the disk is gone")
	if _, err := Read(iotest.ErrReader(wrong), "x"); !errors.Is(err, wrong) {
		t.Errorf("%v, want what the reader said", err)
	}
}

// FuzzReadSnapshot: no bytes make the reader panic. The checksum is made to
// match, so that what lies behind it is reached.
func FuzzReadSnapshot(f *testing.F) {
	s, _ := recorded(f, "unet/varied", cachemodes.BucketMode, 1)
	f.Add(written(f, s)[:1000], false)
	f.Add([]byte("bucketscope-snapshot 1 3\nabc"), true)
	f.Fuzz(func(_ *testing.T, data []byte, seal bool) {
		if seal {
			sum := sha256.Sum256(data)
			data = append(bytes.Clone(data), sum[:]...)
		}
		if s, err := Read(bytes.NewReader(data), "x"); err == nil {
			s.Result()
		}
	})
}

// FuzzReadRun: no text makes the reader panic.
func FuzzReadRun(f *testing.F) {
	f.Add(`{"format":"bucketscope-run","version":1,"results":[{"mode":"bucket","totals":{"peak_held_bytes":5}}]}`)
	f.Add(`{"format":"bucketscope-run","version":2}`)
	f.Fuzz(func(_ *testing.T, text string) {
		if d, err := ReadRun(strings.NewReader(text)); err == nil && d.Format != RunFormat {
			panic("a document of another format was taken")
		}
	})
}

// FuzzReadAny: whatever a file is, it is one of the two, or refused as a file of
// its format is; a snapshot comes with its document.
func FuzzReadAny(f *testing.F) {
	f.Add([]byte(SnapshotFormat + " 2 3\nabc"))
	f.Add([]byte(`{"format":"bucketscope-run","version":1,"results":[]}`))
	f.Add([]byte("\x28\xb5\x2f\xfd"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, s, err := ReadAny(bytes.NewReader(data), "FILE", nil)
		var bad *FormatError
		switch {
		case err != nil && !errors.As(err, &bad):
			t.Errorf("%v is a %T", err, err)
		case err == nil && d == nil:
			t.Error("there is no document")
		case err == nil && s != nil && !IsSnapshot(data):
			t.Error("a snapshot was made of something else")
		}
	})
}
