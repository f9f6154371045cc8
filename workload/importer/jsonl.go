package importer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A log of WebGPU calls, one JSON object a line:
//
//	{"op":"createBuffer","id":7,"size":4096,"usage":140,"t_us":12}
//	{"op":"destroy","id":7}
//	{"op":"submit"}   {"op":"run_start","label":"step 1"}   {"op":"run_end"}
//
// id is a number or a text, size bytes, usage GPUBufferUsage's flags or the
// name of a usage of traces; usage, t_us, submits and runs may be missing.
type call struct {
	Op    string          `json:"op"`
	ID    json.RawMessage `json:"id"`
	Size  int64           `json:"size"`
	Usage json.RawMessage `json:"usage"`
	TimeU *int64          `json:"t_us"`
	Label string          `json:"label"`
}

// The flags of GPUBufferUsage that matter here (w3.org/TR/webgpu).
const (
	mapRead      = 0x0001
	mapWrite     = 0x0002
	uniform      = 0x0040
	storage      = 0x0080
	queryResolve = 0x0200
)

// maxCall bounds a line, in bytes.
const maxCall = 1 << 20

func isJSONLines(b []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) }

func playJSONLines(r *bufio.Reader, t *tape) error {
	t.assume("a call without a usage is taken for a storage buffer; where no run is said, everything is outside of any")
	t.assume(`weights are not said: there are none; what was made before the log began is missing`)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxCall)
	number := 0
	for lines.Scan() {
		number++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		if err := t.call(text); err != nil {
			return &FormatError{Line: number, Reason: err.Error()}
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return &FormatError{Line: number + 1, Reason: fmt.Sprintf("a line of more than %d bytes", maxCall)}
	} else if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func (t *tape) call(text []byte) error {
	var c call
	if err := json.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("no JSON object of a call: %w", err)
	}
	if c.TimeU != nil {
		t.at = *c.TimeU
	}
	switch c.Op {
	case "createBuffer":
		if c.ID == nil {
			return errors.New(`createBuffer needs an "id"`)
		}
		if c.Size < 0 {
			return fmt.Errorf("a buffer of %d bytes", c.Size)
		}
		usage, err := usageOf(c.Usage)
		if err != nil {
			return err
		}
		return t.request(string(c.ID), c.Size, usage)
	case "destroy":
		t.release(string(c.ID))
	case "submit":
		t.submit()
	case "run_start":
		if t.inRun {
			return errors.New("run_start in a run")
		}
		t.runStart(c.Label)
	case "run_end":
		if !t.inRun {
			return errors.New("run_end without run_start")
		}
		t.runEnd()
	case "":
		return errors.New(`the line has no "op"`)
	default:
		t.leave("calls of " + quoted(c.Op))
	}
	return t.err
}

// quoted is a text of the source in few characters.
func quoted(s string) string { return fmt.Sprintf("%.40q", s) }

// usageOf chooses as ONNX Runtime's BufferManager does; mapped buffers are
// staging. What is none of them has no cache in a trace, and counts as storage.
func usageOf(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "storage", nil
	}
	var name string
	if json.Unmarshal(raw, &name) == nil {
		switch name {
		case "storage", "uniform", "query_resolve", "staging", "user":
			return name, nil
		}
		return "", fmt.Errorf("usage %s: want flags, or storage, uniform, query_resolve, staging or user", quoted(name))
	}
	var flags int64
	if err := json.Unmarshal(raw, &flags); err != nil {
		return "", fmt.Errorf("usage %s is neither flags nor a name", quoted(string(raw)))
	}
	switch {
	case flags&(mapRead|mapWrite) != 0:
		return "staging", nil
	case flags&storage != 0:
		return "storage", nil
	case flags&uniform != 0:
		return "uniform", nil
	case flags&queryResolve != 0:
		return "query_resolve", nil
	}
	return "storage", nil
}
