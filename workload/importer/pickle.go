package importer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// unpickle reads a pickle of plain data: dictionaries, lists, tuples, texts,
// numbers, as protocols 2 to 5 write them. What would make an object of a class
// is refused: in Python that runs code. Memory is bounded by maxPickled values
// and by what the input really has.
//
// A dictionary is a *pyDict, a list or tuple a *pyList, a text a string, an
// integer an int64, a float a float64, bytes are []byte.
func unpickle(r *bufio.Reader) (any, error) {
	m := &machine{r: r}
	for {
		op, err := r.ReadByte()
		if err != nil {
			return nil, errors.New("the pickle is cut")
		}
		if op == '.' { // STOP
			break
		}
		if err := m.do(op); err != nil {
			return nil, err
		}
	}
	return m.pop()
}

// maxPickled bounds how many values a pickle makes.
const maxPickled = 16 << 20

type pyList struct{ items []any }

// pyDict keeps the values of text keys, which are all that is asked for.
type pyDict struct{ items map[string]any }

// mark is what MARK leaves on the stack.
type mark struct{}

type machine struct {
	r     *bufio.Reader
	stack []any
	memo  []any
	made  int
}

func (m *machine) push(v any) error {
	if m.made++; m.made > maxPickled {
		return fmt.Errorf("the pickle has more than %d values", maxPickled)
	}
	m.stack = append(m.stack, v)
	return nil
}

var errStack = errors.New("the pickle takes from an empty stack")

func (m *machine) pop() (any, error) {
	if len(m.stack) == 0 {
		return nil, errStack
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

// sinceMark takes what was pushed since the last MARK.
func (m *machine) sinceMark() ([]any, error) {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if _, ok := m.stack[i].(mark); ok {
			items := append([]any(nil), m.stack[i+1:]...)
			m.stack = m.stack[:i]
			return items, nil
		}
	}
	return nil, errors.New("the pickle has no mark where one is needed")
}

// number reads a little-endian number of some bytes.
func (m *machine) number(size int) (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(m.r, b[:size]); err != nil {
		return 0, errors.New("the pickle is cut")
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// bytes reads as many as a length of some bytes says; no more is made of a
// length than there are bytes.
func (m *machine) bytes(size int) ([]byte, error) {
	n, err := m.number(size)
	if err != nil {
		return nil, err
	}
	if n > maxInput {
		return nil, fmt.Errorf("the pickle has a text of %d bytes", n)
	}
	out, err := io.ReadAll(io.LimitReader(m.r, int64(n)))
	if err != nil || uint64(len(out)) < n {
		return nil, errors.New("the pickle is cut")
	}
	m.made += len(out) / 16
	return out, nil
}

// long is a number of LONG1: two's complement of n bytes.
func (m *machine) long() error {
	b, err := m.bytes(1)
	if err != nil {
		return err
	}
	if len(b) > 8 {
		return fmt.Errorf("the pickle has a number of %d bytes", len(b))
	}
	var v int64
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | int64(b[i])
	}
	if n := len(b); n > 0 && n < 8 && b[n-1] >= 0x80 {
		v -= 1 << (8 * n)
	}
	return m.push(v)
}

// integers of fixed size, by opcode: bytes, and whether the sign is in them.
var integers = map[byte]struct {
	size   int
	signed bool
}{'K': {1, false}, 'M': {2, false}, 'J': {4, true}}

// texts by opcode: the size of their length, and whether they are texts.
var texts = map[byte]struct {
	size int
	text bool
}{
	'X': {4, true}, 0x8c: {1, true}, 0x8d: {8, true}, 'T': {4, true}, 'U': {1, true},
	'B': {4, false}, 'C': {1, false}, 0x8e: {8, false},
}

// do carries out one opcode; their names are those of Python's pickletools.
func (m *machine) do(op byte) error {
	if i, ok := integers[op]; ok {
		n, err := m.number(i.size)
		if err != nil {
			return err
		}
		if i.signed {
			return m.push(int64(int32(uint32(n))))
		}
		return m.push(int64(n))
	}
	if t, ok := texts[op]; ok {
		b, err := m.bytes(t.size)
		if err != nil {
			return err
		}
		if t.text {
			return m.push(string(b))
		}
		return m.push(b)
	}
	switch op {
	case 0x80: // PROTO
		n, err := m.number(1)
		if err != nil {
			return err
		}
		if n > 5 {
			return fmt.Errorf("pickle protocol %d is newer than this program reads (5)", n)
		}
	case 0x95: // FRAME
		_, err := m.number(8)
		return err
	case '(':
		return m.push(mark{})
	case '}':
		return m.push(&pyDict{})
	case ']', ')':
		return m.push(&pyList{})
	case 0x85, 0x86, 0x87: // TUPLE1 to TUPLE3
		n := int(op-0x85) + 1
		if len(m.stack) < n {
			return errStack
		}
		items := append([]any(nil), m.stack[len(m.stack)-n:]...)
		m.stack = m.stack[:len(m.stack)-n]
		return m.push(&pyList{items})
	case 't', 'l': // TUPLE, LIST
		items, err := m.sinceMark()
		if err != nil {
			return err
		}
		return m.push(&pyList{items})
	case 'd': // DICT
		items, err := m.sinceMark()
		if err != nil {
			return err
		}
		d := &pyDict{}
		if err := d.set(items); err != nil {
			return err
		}
		return m.push(d)
	case 'a', 'e', 's', 'u':
		return m.add(op)
	case 'N':
		return m.push(nil)
	case 0x88, 0x89:
		return m.push(op == 0x88)
	case 0x8a: // LONG1
		return m.long()
	case 'G': // BINFLOAT, big-endian
		var b [8]byte
		if _, err := io.ReadFull(m.r, b[:]); err != nil {
			return errors.New("the pickle is cut")
		}
		return m.push(math.Float64frombits(binary.BigEndian.Uint64(b[:])))
	case '0': // POP
		_, err := m.pop()
		return err
	case '1': // POP_MARK
		_, err := m.sinceMark()
		return err
	case '2': // DUP
		v, err := m.pop()
		if err != nil {
			return err
		}
		m.stack = append(m.stack, v)
		return m.push(v)
	case 'q', 'r', 'h', 'j', 0x94:
		return m.memory(op)
	case 'c', 0x93, 'R', 'i', 'o', 0x81, 0x92, 'b', 'P', 'Q', 0x82, 0x83, 0x84:
		return fmt.Errorf("the pickle makes objects of classes (opcode %#x), which runs code in Python: only plain data is read", op)
	default:
		return fmt.Errorf("the pickle has the opcode %#x, which protocols 2 to 5 do not write for plain data", op)
	}
	return nil
}

// add carries out APPEND, APPENDS, SETITEM and SETITEMS.
func (m *machine) add(op byte) error {
	var items []any
	var err error
	switch op {
	case 'e', 'u':
		items, err = m.sinceMark()
	case 'a', 's':
		n := 1
		if op == 's' {
			n = 2
		}
		if len(m.stack) < n {
			return errStack
		}
		items = append(items, m.stack[len(m.stack)-n:]...)
		m.stack = m.stack[:len(m.stack)-n]
	}
	if err != nil {
		return err
	}
	if len(m.stack) == 0 {
		return errStack
	}
	switch to := m.stack[len(m.stack)-1].(type) {
	case *pyList:
		if op == 'a' || op == 'e' {
			to.items = append(to.items, items...)
			return nil
		}
	case *pyDict:
		if op == 's' || op == 'u' {
			return to.set(items)
		}
	}
	return errors.New("the pickle adds to what is no list or dictionary")
}

// set stores pairs of key and value.
func (d *pyDict) set(items []any) error {
	if len(items)%2 != 0 {
		return errors.New("the pickle has a key without a value")
	}
	if d.items == nil {
		d.items = map[string]any{}
	}
	for i := 0; i < len(items); i += 2 {
		if key, ok := items[i].(string); ok {
			d.items[key] = items[i+1]
		}
	}
	return nil
}

// memory carries out BINPUT, LONG_BINPUT, BINGET, LONG_BINGET and MEMOIZE.
func (m *machine) memory(op byte) error {
	if len(m.stack) == 0 && (op == 'q' || op == 'r' || op == 0x94) {
		return errStack
	}
	at := uint64(len(m.memo))
	if op != 0x94 {
		size := 1
		if op == 'r' || op == 'j' {
			size = 4
		}
		var err error
		if at, err = m.number(size); err != nil {
			return err
		}
	}
	switch op {
	case 'h', 'j':
		if at >= uint64(len(m.memo)) {
			return fmt.Errorf("the pickle recalls value %d of %d", at, len(m.memo))
		}
		return m.push(m.memo[at])
	}
	// Python numbers them in order; a gap is a few at most.
	if at > uint64(len(m.memo)+1<<16) || len(m.memo) > maxPickled {
		return fmt.Errorf("the pickle keeps value %d after %d", at, len(m.memo))
	}
	for uint64(len(m.memo)) <= at {
		m.memo = append(m.memo, nil)
		m.made++
	}
	m.memo[at] = m.stack[len(m.stack)-1]
	return nil
}

// The fields of a dictionary; zero where they are not there or of another type.
func (d *pyDict) text(key string) string { s, _ := d.items[key].(string); return s }

func (d *pyDict) int(key string) int64 { n, _ := d.items[key].(int64); return n }

func (d *pyDict) list(key string) []any {
	if l, ok := d.items[key].(*pyList); ok {
		return l.items
	}
	return nil
}
