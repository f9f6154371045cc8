package importer

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/snapshots"
	"bucketscope/snapshots/export"
	"bucketscope/workload"
)

const rmmLog = `Thread,Time,Action,Pointer,Size,Stream
1,23:59:59:999000,allocate,0x7f00,1000,0
1,23:59:59.999500,allocate,0x7f10,64,0
1,00:00:00:000000,free,0x7f00,1000,0
2,00:00:00:000100,allocate,0x7f00,0,0
2,00:00:00:000200,allocate failure,0x0,99999,0
2,00:00:00:000300,free,0xdead,5,0
2,00:00:01:000300,allocate,0x7f00,32,0
`

const miniCSV = "id,lower,upper,size,alignment\nb,2,4,20,1\na,0,2,10,1\nc,0,9,30,1\n"

const calls = `{"op":"createBuffer","id":"w","size":512,"usage":140}
{"op":"run_start","label":"conv0 step1 n=1 total=5","t_us":10}
{"op":"createBuffer","id":7,"size":4096,"usage":128,"t_us":12}
{"op":"createBuffer","id":8,"size":16,"usage":72}
{"op":"createBuffer","id":9,"size":16,"usage":"user"}
{"op":"createBuffer","id":10,"size":16,"usage":9}

{"op":"submit"}
{"op":"destroy","id":7}
{"op":"mapAsync","id":7}
{"op":"run_end","t_us":30}
{"op":"destroy","id":8}
`

const ortSizesCSV = "Session,BufferSize,Requests,TotalRequestedSize,TotalNormalizedSize,Hits\n1,64,2,100,128,0\n1,128,1,120,128,0\n2,64,1,50,64,1\n"

// text is a trace as it is written, without its header.
func text(t *testing.T, tr *workload.Trace) string {
	t.Helper()
	var b bytes.Buffer
	if err := workload.Write(&b, tr); err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(b.String(), "\n")
	return lines
}

// short is a trace in few words, for a person to check.
func short(tr *workload.Trace) string {
	var b strings.Builder
	for _, e := range tr.Events {
		fmt.Fprintf(&b, "%d %s", e.TimeUS, e.Op)
		switch e.Op {
		case workload.Request:
			fmt.Fprintf(&b, " %d %s %d", e.Buf, e.Usage, e.Bytes)
			if e.Init {
				b.WriteString(" init")
			}
		case workload.Release:
			fmt.Fprintf(&b, " %d", e.Buf)
		}
		b.WriteString("; ")
	}
	return b.String()
}

// TestRead: what each source says, and what it left unsaid.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		format, in, want, unsaid, dropped string
	}{
		{
			"rmm", rmmLog,
			"0 session_create; 0 session_ready; 0 run_start; 0 request 0 storage 1000; 500 request 1 storage 64; 1000 release 0; 1001300 request 0 storage 32; 1001300 run_end; ",
			"threads and streams are left out", "1: requests of 0 bytes|1: allocations that failed|1: releases of memory whose request is not in the log",
		},
		{
			"minimalloc", miniCSV,
			"0 session_create; 0 session_ready; 0 run_start; 0 request 0 storage 10; 0 request 1 storage 30; 2 release 0; 2 request 0 storage 20; 4 release 0; 9 release 1; 9 run_end; ",
			"releases come before requests", "",
		},
		{
			"jsonl", calls,
			"0 session_create; 0 session_ready; 0 request 0 storage 512; 10 run_start; 12 request 1 storage 4096; 12 request 2 uniform 16; 12 request 3 user 16; 12 request 4 staging 16; 12 submit; 12 release 1; 30 run_end; 30 release 2; ",
			"weights are not said", `1: calls of "mapAsync"`,
		},
		{
			"ort-csv", ortSizesCSV,
			"1 session_create; 1 session_ready; 1 run_start; 1 request 0 storage 50; 1 request 1 storage 50; 1 request 2 storage 120; 1 release 0; 1 release 1; 1 release 2; 1 submit; 1 run_end; " +
				"2 run_start; 2 request 2 storage 50; 2 release 2; 2 submit; 2 run_end; ",
			"upper bound", "",
		},
	} {
		for _, format := range []string{c.format, Auto} {
			res, err := Read(iotest.HalfReader(strings.NewReader(c.in)), "x", format)
			if err != nil {
				t.Errorf("%s: %v", c.format, err)
				continue
			}
			if got := short(res.Trace); got != c.want {
				t.Errorf("%s:\n got %s\nwant %s", c.format, got, c.want)
			}
			if all := strings.Join(res.Unsaid, "; "); !strings.Contains(all, c.unsaid) || res.Trace.Header.Note != all {
				t.Errorf("%s leaves unsaid %q, its header %q", c.format, all, res.Trace.Header.Note)
			}
			if got := strings.Join(res.Dropped, "|"); got != c.dropped {
				t.Errorf("%s drops %q, want %q", c.format, got, c.dropped)
			}
			if res.Format != c.format {
				t.Errorf("%s is taken for %s", c.format, res.Format)
			}
			again, err := workload.Read(strings.NewReader(`{"format":"bucketscope-trace","version":1}`+"\n"+text(t, res.Trace)), "x")
			if err != nil || short(again) != short(res.Trace) {
				t.Errorf("%s: as a file it is another trace: %v", c.format, err)
			}
		}
	}
}

// TestReadRefuses: each bad source is told with its line.
func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ format, in, want string }{
		{Auto, "", "x: it begins like none of rmm, minimalloc, pytorch, ort-csv, jsonl"},
		{Auto, "hello\n", "x: it begins like none of"},
		{"nosuch", rmmLog, `x: "nosuch" cannot be imported: want auto, rmm`},
		{Auto, `{"format":"bucketscope-trace","version":1}`, "x: it is a trace already: play it with --trace"},
		{"rmm", miniCSV, "x:1: the first line must name the columns Time,Action,Pointer,Size"},
		{"rmm", "", "x: an empty file"},
		{"rmm", "Time,Action,Pointer,Size\n1:2:3:4,allocate,0x1,x\n", `x:2: Size "x" is no whole number`},
		{"rmm", "Time,Action,Pointer,Size\nnoon,allocate,0x1,1\n", `x:2: time "noon" is not`},
		{"rmm", "Time,Action,Pointer,Size\n1:2:3:4,steal,0x1,1\n", `x:2: action "steal" is none of`},
		{"rmm", "Time,Action,Pointer,Size\n1:2:3:4,allocate\n", `x:2: no column Pointer in a row of 2`},
		{"rmm", "Time,Action,Pointer,Size\n1:2:3:4,allocate,1,5\n1:2:3:4,allocate,1,5\n", "x:3: 1 is allocated again while it is out"},
		{"rmm", "Time,Action,Pointer,Size\n1:2:3:4,\"allocate,1,5\n", `x:2: extraneous or missing " in quoted-field`},
		{"rmm", "Time,Action,Pointer,Size\n1:2:3:4,allocate,1,9223372036854775807\n", "makes no trace: x:5: request: bytes"},
		{"minimalloc", "id,lower,upper,size\na,5,5,1\n", "x:2: buffer a ends at 5, before it begins at 5"},
		{"ort-csv", "Timestamp,Session,TotalMemory(MB)\n", "x: this is the file with the memory of each run"},
		{"ort-csv", "Session,BufferSize,Requests,TotalRequestedSize\n1,64,999999999,5\n", "x:2: 999999999 requests of a size in a run are too many: 32768, and 1024 more for each row, may be all of a file"},
		{"ort-csv", "Session,BufferSize,Requests,TotalRequestedSize\n1,64,33000,99999\n1,128,2000,9999\n", "x:3: 2000 requests of a size in a run are too many"},
		{"jsonl", "{\"op\":\"createBuffer\",\"size\":5}\n", `x:1: createBuffer needs an "id"`},
		{"jsonl", "\n{\"op\":\"createBuffer\",\"id\":1,\"size\":-5}\n", `x:2: a buffer of -5 bytes`},
		{"jsonl", "{\"op\":\"createBuffer\",\"id\":1,\"size\":5,\"usage\":\"odd\"}\n", `x:1: usage "odd": want flags`},
		{"jsonl", "{\"op\":\"run_end\"}\n", `x:1: run_end without run_start`},
		{"jsonl", "{}\n", `x:1: the line has no "op"`},
		{"jsonl", "{\"op\":\"" + strings.Repeat("x", maxCall) + "\"}\n", `x:1: a line of more than`},
		{"pytorch", "\x80\x02}.", "x: the snapshot has no trace of events"},
		{"pytorch", "\x80\x02K\x05.", "x: no memory snapshot"},
		{"pytorch", "\x80\x02cos\nsystem\n", "x: the pickle makes objects of classes (opcode 0x63), which runs code in Python"},
		{"pytorch", "\x80\x02X\xff\xff\xff\x7fabc", "x: the pickle has a text of 2147483647 bytes"},
		{"pytorch", "\x80\x02X\xff\xff\xff\x00abc", "x: the pickle is cut"},
		{"pytorch", "\x80\x02u.", "x: the pickle has no mark"},
		{"pytorch", "\x80\x02r\xff\xff\xff\xff.", "x: the pickle takes from an empty stack"},
		{"pytorch", "\x80\x02Nr\xff\xff\xff\xff.", "x: the pickle keeps value 4294967295 after 0"},
		{"pytorch", "\x80\x09.", "x: pickle protocol 9 is newer"},
	} {
		_, err := Read(strings.NewReader(c.in), "x", c.format)
		var bad *FormatError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %.60q: %v, want %s", c.format, c.in, err, c.want)
		}
	}
	wrong := errors.New("the disk is gone")
	for _, format := range append(Formats(), Auto) {
		if _, err := Read(iotest.ErrReader(wrong), "x", format); !errors.Is(err, wrong) {
			t.Errorf("%s: %v, want what the reader said", format, err)
		}
	}
}

// recorded is a snapshot of what an engine did with every buffer by itself.
func recorded(t *testing.T, name string) (*workload.Trace, *snapshots.Snapshot) {
	t.Helper()
	tr, err := workload.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	cfg := cachemodes.DefaultConfig()
	for u := range cfg {
		cfg[u].Mode = cachemodes.Disabled
	}
	res, err := engine.Profile(t.Context(), tr, device.NewHost(), engine.Options{Config: cfg, Weights: engine.MakeWeights, Record: true})
	if err != nil {
		t.Fatal(err)
	}
	s := &snapshots.Snapshot{About: snapshots.About{Workload: snapshots.RunWorkload{Name: tr.Name}}, History: res.History}
	for _, x := range tr.Sessions {
		s.Sessions = append(s.Sessions, snapshots.SessionName{ID: x.ID, Model: x.Model})
	}
	return tr, s
}

// TestPyTorchAgain: what is exported as a PyTorch snapshot comes back with the
// same requests, at the sizes of the buffers; also as Python writes it anew.
func TestPyTorchAgain(t *testing.T) {
	tr, s := recorded(t, "unet/varied")
	var pickled bytes.Buffer
	if err := export.PyTorch(&pickled, s); err != nil {
		t.Fatal(err)
	}
	sources := [][]byte{pickled.Bytes()}
	if python, err := exec.LookPath("python3"); err == nil {
		for _, protocol := range []string{"2", "3", "4", "5"} {
			cmd := exec.CommandContext(t.Context(), python, "-c", "import pickle,sys; pickle.dump(pickle.load(sys.stdin.buffer), sys.stdout.buffer, "+protocol+")")
			cmd.Stdin = bytes.NewReader(pickled.Bytes())
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			sources = append(sources, out)
		}
	}
	var want []int64
	for _, e := range tr.Events {
		if e.Op == workload.Request {
			want = append(want, (e.Bytes+15)/16*16)
		}
	}
	for _, src := range sources {
		res, err := Read(bytes.NewReader(src), "x", Auto)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, e := range res.Trace.Events {
			if e.Op == workload.Request {
				got = append(got, e.Bytes)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || len(res.Trace.Leaks) != len(tr.Leaks) {
			t.Errorf("%d requests and %d leaks come back, there were %d and %d", len(got), len(res.Trace.Leaks), len(want), len(tr.Leaks))
		}
	}
}

// FuzzRead: no source makes a reader panic, hang or answer what is no trace.
func FuzzRead(f *testing.F) {
	for _, s := range []string{rmmLog, miniCSV, calls, ortSizesCSV, "\x80\x02}(X\x0d\x00\x00\x00device_traces](](}(X\x06\x00\x00\x00actionX\x05\x00\x00\x00allocX\x04\x00\x00\x00addrK\x05X\x04\x00\x00\x00sizeK\x10ueeu."} {
		f.Add([]byte(s), Auto)
	}
	f.Add([]byte("\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94."), "pytorch")
	f.Fuzz(func(t *testing.T, data []byte, format string) {
		res, err := Read(bytes.NewReader(data), "x", format)
		if err != nil {
			return
		}
		if res.Trace == nil || len(res.Trace.Events) == 0 {
			t.Error("a trace of nothing")
		}
	})
}
