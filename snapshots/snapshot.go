package snapshots

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"bucketscope/cachemodes"
	"bucketscope/probe"
)

// The name and version of the format that a Snapshot is written in.
//
//	bucketscope-snapshot 2 N\n      N is the number of bytes that follow, but for the last 32
//	zstd of:  length of About (uvarint), About as JSON, probe.History
//	SHA-256 of everything before it
const (
	SnapshotFormat  = "bucketscope-snapshot"
	SnapshotVersion = 2
)

// SnapshotSchema is the JSON Schema of an About.
//
//go:embed snapshot.schema.json
var SnapshotSchema []byte

// What a snapshot that is read may make the program hold, whatever it claims.
const (
	maxPacked = 1 << 30   // bytes of a file
	maxLoose  = 256 << 20 // bytes once decompressed: some fifty million events
	maxWindow = 32 << 20  // bytes of the decompressor's memory
	maxHeader = 64        // bytes of the first line
)

// Snapshot is a whole recording: one workload on one device, every event, every
// change of mode and what the driver said.
type Snapshot struct {
	About
	// History begins with the recording, or where the journal's budget ended
	// it. Its times are microseconds since the workload was loaded.
	History probe.History
}

// About says what a Snapshot is of. Sizes are bytes, times microseconds.
type About struct {
	Format   string      `json:"format"`
	Version  int         `json:"version"`
	Program  string      `json:"program"` // that wrote it, with its version
	Workload RunWorkload `json:"workload"`
	Device   RunDevice   `json:"device"`
	Repeat   int         `json:"repeat"` // 0: played over and over until the snapshot
	// Scope says who shared free buffers; absent in recordings of old, where it
	// was device. Concurrency is there where several workloads were played.
	Scope        string       `json:"scope,omitempty"`
	GraphCapture bool         `json:"graph_capture,omitempty"`
	Generations  int          `json:"generations,omitempty"`
	Concurrency  *Concurrency `json:"concurrency,omitempty"`
	// Sessions are the loaded models, by the index that the history uses.
	Sessions []SessionName `json:"sessions"`
	// Events is how many events of the workload were played, in ElapsedUS of
	// which DeviceUS were spent in calls of a timed device.
	Events    int64 `json:"events"`
	ElapsedUS int64 `json:"elapsed_us"`
	DeviceUS  int64 `json:"device_us"`
	// Driver says where the driver's readings are from, or why there are none.
	Driver DriverSource `json:"driver"`
	// Marks are what a person changed; the changes themselves are in the
	// history.
	Marks []Mark `json:"marks"`
}

// SessionName names a loaded model as the workload does.
type SessionName struct {
	ID    int64  `json:"id"`
	Model string `json:"model"`
	// Workload is the one that it is of, where several were played.
	Workload string `json:"workload,omitempty"`
	// Since is how many entries of the history had happened when it was added.
	Since int64 `json:"since,omitempty"`
}

// DriverSource is where readings are from; Reason, if there are none.
type DriverSource struct {
	Source string `json:"source,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Mark is a remark at a time; Run is the ordinal of the run that was going on
// or would be next.
type Mark struct {
	AtUS int64  `json:"at_us"`
	Run  int64  `json:"run"`
	Seq  int64  `json:"entry"` // ordinal of its entry in the history
	Text string `json:"text"`
}

// FormatError says why a file is not what it should be.
type FormatError struct {
	File   string
	Reason string
}

func (e *FormatError) Error() string { return e.File + ": " + e.Reason }

// Write writes a snapshot. What it writes is in memory once, compressed, before
// the first byte goes to w.
func Write(w io.Writer, s *Snapshot) error {
	about := s.About
	about.Format, about.Version = SnapshotFormat, SnapshotVersion
	head, err := json.Marshal(about)
	if err != nil {
		return err
	}
	loose := binary.AppendUvarint(nil, uint64(len(head)))
	loose = s.History.AppendTo(append(loose, head...))
	if len(loose) > maxLoose {
		return fmt.Errorf("a recording of %d bytes is more than a snapshot holds (%d): record fewer runs", len(loose), maxLoose)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithWindowSize(8<<20))
	if err != nil {
		return err
	}
	packed := enc.EncodeAll(loose, nil)
	if err := enc.Close(); err != nil {
		return err
	}
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	if _, err := fmt.Fprintf(out, "%s %d %d\n", SnapshotFormat, SnapshotVersion, len(packed)); err != nil {
		return err
	}
	if _, err := out.Write(packed); err != nil {
		return err
	}
	_, err = w.Write(sum.Sum(nil))
	return err
}

// IsSnapshot tells by its beginning whether a file may be a snapshot.
func IsSnapshot(beginning []byte) bool { return bytes.HasPrefix(beginning, []byte(SnapshotFormat)) }

// Read reads a snapshot and checks all of it: its checksum, its identity, and
// that its history can have happened. What is wrong gives a *FormatError with
// name for the file; a failure of r itself is returned wrapped. Memory is
// bounded: by what the file really has, by 1 GiB packed and 256 MiB loose.
func Read(r io.Reader, name string) (*Snapshot, error) {
	return ReadLooking(r, name, nil)
}

// ReadLooking is Read for long recordings: now and then it calls look with how
// much is done, 0 to 1. An error of look's ends it and is returned as it is.
func ReadLooking(r io.Reader, name string, look func(share float64) error) (*Snapshot, error) {
	src := &source{r: r}
	var stopped error
	s, err := read(src, func(at, of int) error {
		if look != nil {
			stopped = look(float64(at) / float64(of))
		}
		return stopped
	})
	switch {
	case err == nil:
		return s, nil
	case stopped != nil:
		return nil, stopped
	case src.err != nil:
		return nil, fmt.Errorf("reading %s: %w", name, src.err)
	}
	return nil, &FormatError{File: name, Reason: err.Error()}
}

// source keeps the error of the underlying reader apart from what is wrong with
// its bytes.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func read(r io.Reader, look func(at, of int) error) (*Snapshot, error) {
	packed, err := unseal(r)
	if err != nil {
		return nil, err
	}
	loose, err := unpack(packed)
	if err != nil {
		return nil, err
	}
	n, size := binary.Uvarint(loose)
	if size <= 0 || n > uint64(len(loose)-size) {
		return nil, errors.New("damaged: what it is a recording of is cut")
	}
	head, rest := loose[size:size+int(n)], loose[size+int(n):]
	s := &Snapshot{}
	if err := json.Unmarshal(head, &s.About); err != nil {
		return nil, fmt.Errorf("damaged: what it is a recording of cannot be read: %w", err)
	}
	if s.Format != SnapshotFormat || s.Version < 1 || s.Version > SnapshotVersion {
		return nil, fmt.Errorf("damaged: it calls itself %q version %d inside", s.Format, s.Version)
	}
	if s.History, err = probe.ReadHistoryLooking(rest, look); err != nil {
		return nil, fmt.Errorf("damaged: the history: %w", err)
	}
	if err := s.checkSessions(); err != nil {
		return nil, fmt.Errorf("damaged: %w", err)
	}
	return s, nil
}

// unseal reads the packed part and holds it against its length and checksum.
func unseal(r io.Reader) ([]byte, error) {
	sum := sha256.New()
	br := bufio.NewReaderSize(r, maxHeader)
	line, err := br.ReadSlice('\n')
	if !IsSnapshot(line) {
		return nil, fmt.Errorf("not a %s: it does not begin as one", SnapshotFormat)
	}
	if err != nil {
		return nil, errors.New("the snapshot is cut in its first line")
	}
	sum.Write(line)
	var format string
	var version int
	var size int64
	if n, err := fmt.Sscanf(string(line), "%s %d", &format, &version); n != 2 || format != SnapshotFormat {
		return nil, fmt.Errorf("damaged: its first line is %q: %w", line, err)
	}
	switch {
	case version > SnapshotVersion:
		return nil, fmt.Errorf("%s version %d is newer than this program reads (%d): open it with a newer bucketscope", SnapshotFormat, version, SnapshotVersion)
	case version < 1:
		return nil, fmt.Errorf("%s version %d does not exist", SnapshotFormat, version)
	}
	if _, err := fmt.Sscanf(string(line), "%s %d %d\n", &format, &version, &size); err != nil || size < 0 {
		return nil, fmt.Errorf("damaged: its first line is %q", line)
	}
	if size > maxPacked {
		return nil, fmt.Errorf("it says that it has %d bytes, more than this program reads (%d)", size, maxPacked)
	}
	var packed bytes.Buffer
	if n, err := io.CopyN(io.MultiWriter(&packed, sum), br, size); err != nil {
		return nil, fmt.Errorf("the snapshot is cut: %d of %d bytes are there", n, size)
	}
	var want [sha256.Size]byte
	if _, err := io.ReadFull(br, want[:]); err != nil {
		return nil, errors.New("the snapshot is cut: its checksum is missing")
	}
	if !bytes.Equal(sum.Sum(nil), want[:]) {
		return nil, errors.New("damaged: the checksum does not match, so some byte is not as it was written")
	}
	if _, err := br.ReadByte(); err == nil {
		return nil, errors.New("damaged: there are bytes after its end")
	}
	return packed.Bytes(), nil
}

// unpack decompresses, up to what a snapshot may hold.
func unpack(packed []byte) ([]byte, error) {
	dec, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, fmt.Errorf("damaged zstd data: %w", err)
	}
	defer dec.Close()
	loose, err := io.ReadAll(io.LimitReader(dec, maxLoose+1))
	if err != nil {
		return nil, fmt.Errorf("damaged zstd data: %w", err)
	}
	if len(loose) > maxLoose {
		return nil, fmt.Errorf("decompressed it has more than %d bytes, which no snapshot has", maxLoose)
	}
	return loose, nil
}

// checkSessions tells of a session that has no name.
func (s *Snapshot) checkSessions() error {
	known := func(session int32) bool { return int(session) < len(s.Sessions) }
	first := s.History.At(s.History.First())
	for id := range first.Buffers {
		if !known(first.Buffers[id].Session) {
			return fmt.Errorf("buffer %d belongs to session %d of %d", id, first.Buffers[id].Session, len(s.Sessions))
		}
	}
	var err error
	s.History.Scan(s.History.First(), func(_ *probe.Moment, e *probe.Entry) bool {
		if !known(e.Session) {
			err = fmt.Errorf("entry %d is of session %d of %d", e.Seq, e.Session, len(s.Sessions))
		}
		return err == nil
	})
	return err
}

// Runs are the runs that the history has the end of, in that order.
func (s *Snapshot) Runs() []probe.Run {
	var runs []probe.Run
	s.History.Runs(func(r *probe.Run) { runs = append(runs, *r) })
	return runs
}

// Result derives the figures of the whole history.
func (s *Snapshot) Result() ModeResult {
	end := s.History.At(s.History.End())
	ids := make([]int64, len(s.Sessions))
	for i := range ids {
		ids[i] = s.Sessions[i].ID
	}
	m := Measured{
		Config: end.Config, Total: end.Ledger.Total(), Runs: s.Runs(), SessionIDs: ids, Keys: end.Ledger.Keys(),
		Events: s.Events, Elapsed: time.Duration(s.ElapsedUS) * time.Microsecond,
		DeviceTime: time.Duration(s.DeviceUS) * time.Microsecond, Timed: s.Device.Timed,
	}
	// A scope that no program of ours wrote is shown as the usual one.
	m.Sharing.Scope, _ = cachemodes.LookupScope(s.Scope)
	m.Sharing.Generations, m.Capture = s.Generations, s.GraphCapture
	for i, name := range s.Sessions {
		w := name.Workload
		if w == "" {
			w = s.Workload.Name
		}
		m.Sessions = append(m.Sessions, MeasuredSession{Model: name.Model, Workload: w, Books: end.Ledger.Session(int32(i))})
	}
	m.HazardCount = end.Ledger.Hazards()
	for u := range m.Usage {
		m.Usage[u] = end.Ledger.Usage(cachemodes.Usage(u))
	}
	m.AvgHeldWall, m.HasWall = end.Ledger.AvgHeldWall()
	return NewModeResult(m)
}

// Document is the run document of the recording, with one result.
func (s *Snapshot) Document() *RunDocument {
	return &RunDocument{
		Format: RunFormat, Version: RunVersion, Workload: s.Workload, Device: s.Device,
		Repeat: max(s.Repeat, 1), Concurrency: s.Concurrency, Results: []ModeResult{s.Result()},
	}
}
