package export

import (
	"bufio"
	"encoding/binary"
	"math/bits"
)

// pickler writes Python's pickle format, protocol 2 (docs.python.org,
// pickletools), with the few opcodes that plain data needs and that
// pytorch.org/memory_viz knows too; so no INT. Errors stay in the writer.
type pickler struct{ w *bufio.Writer }

func (p pickler) op(bytes ...byte) { _, _ = p.w.Write(bytes) }

func (p pickler) begin()     { p.op(0x80, 2) } // PROTO 2
func (p pickler) end()       { p.op('.') }     // STOP
func (p pickler) dict()      { p.op('}', '(') }
func (p pickler) endDict()   { p.op('u') } // SETITEMS
func (p pickler) list()      { p.op(']', '(') }
func (p pickler) endList()   { p.op('e') } // APPENDS
func (p pickler) endTuple2() { p.op(0x86) }

func (p pickler) bool(v bool) {
	if v {
		p.op(0x88)
	} else {
		p.op(0x89)
	}
}

func (p pickler) text(s string) {
	var n [4]byte
	binary.LittleEndian.PutUint32(n[:], uint32(len(s)))
	p.op('X') // BINUNICODE
	p.op(n[:]...)
	_, _ = p.w.WriteString(s)
}

// int writes BININT where the number has 32 bits, else LONG1: two's complement,
// little-endian, as many bytes as it needs.
func (p pickler) int(n int64) {
	var b [8]byte
	if n == int64(int32(n)) {
		binary.LittleEndian.PutUint32(b[:4], uint32(int32(n)))
		p.op('J')
		p.op(b[:4]...)
		return
	}
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	size := 8
	if n > 0 {
		size = bits.Len64(uint64(n))/8 + 1
	}
	p.op(0x8a, byte(size))
	p.op(b[:size]...)
}

// The entries of a dictionary.
func (p pickler) textItem(key, value string)      { p.text(key); p.text(value) }
func (p pickler) intItem(key string, value int64) { p.text(key); p.int(value) }
