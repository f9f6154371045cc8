package snapshots

import (
	"bufio"
	"errors"
	"io"
)

// ReadAny reads a run document, or a snapshot, which also gives one. It tells
// them apart by their first bytes. What is wrong with the file is a
// *FormatError. For look, which may be nil, see ReadLooking.
func ReadAny(r io.Reader, name string, look func(share float64) error) (*RunDocument, *Snapshot, error) {
	br := bufio.NewReader(r)
	beginning, err := br.Peek(len(SnapshotFormat))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	if IsSnapshot(beginning) {
		s, err := ReadLooking(br, name, look)
		if err != nil {
			return nil, nil, err
		}
		return s.Document(), s, nil
	}
	src := &source{r: br}
	d, err := ReadRun(src)
	if err != nil {
		if src.err != nil {
			return nil, nil, src.err
		}
		return nil, nil, &FormatError{File: name, Reason: "neither a snapshot nor a run document: " + err.Error()}
	}
	if err := d.check(); err != nil {
		return nil, nil, &FormatError{File: name, Reason: err.Error()}
	}
	return d, nil, nil
}

// check tells what a document lacks that everything which compares or exports
// documents goes by.
func (d *RunDocument) check() error {
	if len(d.Results) == 0 {
		return errors.New("the run document has no results")
	}
	return nil
}
