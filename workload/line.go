package workload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"bucketscope/cachemodes"
)

// fields is a set of the fields that the format knows.
type fields uint16

const (
	fieldOp fields = 1 << iota
	fieldTime
	fieldSession
	fieldRun
	fieldBuf
	fieldBytes
	fieldUsage
	fieldPhase
	fieldDispatches
	fieldCopies
	fieldLabel
	fieldModel
	fieldFormat
)

// fieldNames has the names in the order of the bits.
var fieldNames = [...]string{
	"op", "t_us", "session", "run", "buf", "bytes", "usage", "phase",
	"dispatches", "copies", "label", "model", "format",
}

// first is the name of one field of a set that is not empty.
func (f fields) first() string { return fieldNames[bits.TrailingZeros16(uint16(f))] }

// requiredFields are the fields that an operation cannot do without.
var requiredFields = [...]fields{
	SessionCreate:  fieldSession | fieldModel,
	SessionReady:   fieldSession,
	RunStart:       fieldSession | fieldRun | fieldLabel,
	Request:        fieldSession | fieldBuf | fieldBytes | fieldUsage | fieldPhase,
	Release:        fieldBuf,
	Submit:         fieldDispatches | fieldCopies,
	RunEnd:         fieldSession | fieldRun,
	SessionRelease: fieldSession,
}

var opNames = [...]string{
	SessionCreate:  "session_create",
	SessionReady:   "session_ready",
	RunStart:       "run_start",
	Request:        "request",
	Release:        "release",
	Submit:         "submit",
	RunEnd:         "run_end",
	SessionRelease: "session_release",
}

// String is the name that trace files use.
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return fmt.Sprintf("Op(%d)", o)
}

// line is one decoded line of a trace: what its fields say, unchecked but for
// their types. A field that is absent or null is not in the set.
type line struct {
	fields     fields
	op         Op
	usage      cachemodes.Usage
	init       bool
	timeUS     int64
	session    int64
	run        int64
	buf        int64
	bytes      int64
	dispatches int64
	copies     int64
	label      string
	model      string
}

func (l *line) has(f fields) bool { return l.fields&f != 0 }

// decode reads one line, without its newline.
func (l *line) decode(b []byte) error {
	*l = line{}
	if l.scan(b) {
		return nil
	}
	*l = line{}
	return l.parse(b)
}

// scan reads the lines that engines write: one flat object of the fields
// above, with integers, null, and strings of printable ASCII without escapes.
// It is false for anything else, right or wrong: parse then decides. It takes
// a tenth of the time of encoding/json.
func (l *line) scan(b []byte) bool {
	s := scanner{b: b}
	if !s.next('{') {
		return false
	}
	for {
		key, ok := s.text()
		if !ok || !s.next(':') || !l.scanField(key, &s) {
			return false
		}
		if s.next(',') {
			continue
		}
		return s.next('}') && s.atEnd()
	}
}

// scanField reads the value of one field.
func (l *line) scanField(key []byte, s *scanner) bool {
	f := fieldOf(key)
	if f == 0 || f == fieldFormat || s.seen&f != 0 {
		return false
	}
	s.seen |= f
	if s.null() {
		return true
	}
	l.fields |= f
	if number := l.number(f); number != nil {
		v, ok := s.integer()
		*number = v
		return ok
	}
	v, ok := s.text()
	if !ok {
		return false
	}
	switch f {
	case fieldOp:
		return l.setOp(string(v))
	case fieldUsage:
		return l.setUsage(string(v))
	case fieldPhase:
		return l.setPhase(string(v))
	case fieldLabel:
		l.label = string(v)
	case fieldModel:
		l.model = string(v)
	}
	return true
}

// fieldOf is the field of a name, 0 for one that the format does not know.
func fieldOf(name []byte) fields {
	switch string(name) {
	case "op":
		return fieldOp
	case "t_us":
		return fieldTime
	case "session":
		return fieldSession
	case "run":
		return fieldRun
	case "buf":
		return fieldBuf
	case "bytes":
		return fieldBytes
	case "usage":
		return fieldUsage
	case "phase":
		return fieldPhase
	case "dispatches":
		return fieldDispatches
	case "copies":
		return fieldCopies
	case "label":
		return fieldLabel
	case "model":
		return fieldModel
	case "format":
		return fieldFormat
	}
	return 0
}

// number is where the value of a numeric field goes, nil for the others.
func (l *line) number(f fields) *int64 {
	switch f {
	case fieldTime:
		return &l.timeUS
	case fieldSession:
		return &l.session
	case fieldRun:
		return &l.run
	case fieldBuf:
		return &l.buf
	case fieldBytes:
		return &l.bytes
	case fieldDispatches:
		return &l.dispatches
	case fieldCopies:
		return &l.copies
	}
	return nil
}

func (l *line) setOp(name string) bool {
	switch name {
	case "request":
		l.op = Request
	case "release":
		l.op = Release
	case "submit":
		l.op = Submit
	case "run_start":
		l.op = RunStart
	case "run_end":
		l.op = RunEnd
	case "session_create":
		l.op = SessionCreate
	case "session_ready":
		l.op = SessionReady
	case "session_release":
		l.op = SessionRelease
	default:
		return false
	}
	return true
}

func (l *line) setUsage(name string) bool {
	switch name {
	case "storage":
		l.usage = cachemodes.Storage
	case "uniform":
		l.usage = cachemodes.Uniform
	case "query_resolve":
		l.usage = cachemodes.QueryResolve
	case "staging":
		l.usage = cachemodes.Staging
	case "user":
		l.usage = cachemodes.User
	default:
		return false
	}
	return true
}

func (l *line) setPhase(name string) bool {
	l.init = name == "init"
	return l.init || name == "run"
}

// scanner walks over a line. Its methods skip the spaces before what they
// read; where they fail, the line is given up.
type scanner struct {
	b    []byte
	i    int
	seen fields // null ones included
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\r') {
		s.i++
	}
}

// next skips c, if it comes next.
func (s *scanner) next(c byte) bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *scanner) atEnd() bool {
	s.space()
	return s.i == len(s.b)
}

func (s *scanner) null() bool {
	s.space()
	if bytes.HasPrefix(s.b[s.i:], []byte("null")) {
		s.i += len("null")
		return true
	}
	return false
}

// text reads a string of printable ASCII without escapes.
func (s *scanner) text() ([]byte, bool) {
	if !s.next('"') {
		return nil, false
	}
	start := s.i
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return s.b[start : s.i-1], true
		case c == '\\' || c < ' ' || c > '~':
			return nil, false
		}
	}
	return nil, false
}

// integer reads a whole number of at most 18 digits, which an int64 holds.
// What follows the digits is the caller's to check: '.' or 'e' are neither ','
// nor '}'.
func (s *scanner) integer() (int64, bool) {
	negative := s.next('-')
	if !negative {
		s.space()
	}
	start := s.i
	var v int64
	for ; s.i < len(s.b); s.i++ {
		d := s.b[s.i] - '0'
		if d > 9 {
			break
		}
		v = v*10 + int64(d)
		if s.i-start >= 18 {
			return 0, false
		}
	}
	digits := s.i - start
	if digits == 0 || digits > 1 && s.b[start] == '0' {
		return 0, false
	}
	if negative {
		v = -v
	}
	return v, true
}

// parse reads any line, and has the errors for what is no line. Fields that
// this version does not know are none of its business.
func (l *line) parse(b []byte) error {
	var seen fields
	return parseObject(b, func(key string, value json.RawMessage) error {
		f := fieldOf([]byte(key))
		if seen&f != 0 {
			return fmt.Errorf("field %q given twice", key)
		}
		seen |= f
		if string(value) == "null" {
			return nil
		}
		l.fields |= f
		return l.parseField(f, key, value)
	})
}

// parseField sets one field.
func (l *line) parseField(f fields, key string, value json.RawMessage) (err error) {
	switch f {
	case fieldOp:
		err = parseName(key, value, l.setOp)
	case fieldUsage:
		err = parseName(key, value, l.setUsage)
	case fieldPhase:
		err = parseName(key, value, l.setPhase)
	case fieldLabel:
		l.label, err = parseString(key, value)
	case fieldModel:
		l.model, err = parseString(key, value)
	case fieldTime:
		l.timeUS, err = parseTime(value)
	default:
		if number := l.number(f); number != nil {
			*number, err = parseInteger(key, value)
		}
	}
	return err
}

// parseObject calls field for every member of the JSON object that b must be,
// in order.
func parseObject(b []byte, field func(key string, value json.RawMessage) error) error {
	if !utf8.Valid(b) {
		return errors.New("not valid UTF-8")
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return errors.New("not JSON: an empty line")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	start, err := dec.Token()
	if err != nil {
		return notJSON(err)
	}
	if start != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return notJSON(err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return notJSON(err)
		}
		if err := field(key.(string), value); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return notJSON(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("not JSON: more after the object")
	}
	return nil
}

func notJSON(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("not JSON: the line is cut")
	}
	return fmt.Errorf("not JSON: %w", err)
}

func parseString(key string, value json.RawMessage) (string, error) {
	if value[0] != '"' {
		return "", fmt.Errorf("field %q is %s, not a string", key, kindOf(value))
	}
	var s string
	err := json.Unmarshal(value, &s)
	return s, err
}

// parseName reads a string that set must know.
func parseName(key string, value json.RawMessage, set func(string) bool) error {
	s, err := parseString(key, value)
	if err != nil {
		return err
	}
	if !set(s) {
		return fmt.Errorf("unknown %s %q", key, s)
	}
	return nil
}

// parseInteger takes whole numbers in digits only: 1e6 and 16.0 are as
// suspect as 1.5 in a file that a program wrote.
func parseInteger(key string, value json.RawMessage) (int64, error) {
	if kind := kindOf(value); kind != "a number" {
		return 0, fmt.Errorf("field %q is %s, not a whole number", key, kind)
	}
	v, err := strconv.ParseInt(string(value), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("field %q: %s is out of range", key, value)
	case err != nil:
		return 0, fmt.Errorf("field %q: %s is not a whole number", key, value)
	}
	return v, nil
}

// parseTime takes any number, since clocks give fractions, and drops what is
// below a microsecond.
func parseTime(value json.RawMessage) (int64, error) {
	if kind := kindOf(value); kind != "a number" {
		return 0, fmt.Errorf(`field "t_us" is %s, not a number`, kind)
	}
	if v, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		return v, nil
	}
	v, err := strconv.ParseFloat(string(value), 64)
	if err != nil || math.Abs(v) >= 1<<63 {
		return 0, fmt.Errorf(`field "t_us": %s is out of range`, value)
	}
	return int64(v), nil
}

// kindOf names the type of a valid JSON value.
func kindOf(value json.RawMessage) string {
	switch value[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}
