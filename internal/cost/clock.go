package cost

import (
	"fmt"
	"math/bits"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
)

// Clock is a device that does nothing and tells how long the device of a
// calibration would have taken for it. It is used by one goroutine.
type Clock struct {
	c   *Calibration
	mix float64 // c.Mix, by which all but creates and first writes take longer
	// program is the program's time; device is when the device will have done
	// what was submitted.
	program, device float64
	recordings      []recording // by device.Recording
	// live is how many buffers there are of each power of two, and warm how many
	// were given up while others stayed, and not made again. Allocators have
	// blocks of powers of two in larger ones, which go back to the driver when all
	// of it is free (gpu-alloc's buddies, under the library).
	live, warm [64]int
	made       float64 // buffers that there are
	// written is how many bytes were ever written.
	written int64
	buffers []slot // by device.ID
	known   [cachemodes.NumUsages]map[int64]*priced
}

// recording is what was recorded since it was submitted last.
type recording struct {
	us     float64 // that the device will take for it
	since  int64   // Clock.written when it began
	any    bool
	inPass bool
}

// at is a recording, whether or not there was one of that number before.
func (k *Clock) at(r device.Recording) *recording {
	for int(r) >= len(k.recordings) {
		k.recordings = append(k.recordings, recording{})
	}
	return &k.recordings[r]
}

// priced is what buffers of a usage and size cost.
type priced struct {
	Price
	shader bool
}

// slot is a buffer; its price is nil where there is none.
type slot struct {
	*priced
	warm bool             // its memory had been another's
	at   int64            // Clock.written after its last write
	in   device.Recording // that has that write
}

// NewClock begins at 0.
func NewClock(c *Calibration) *Clock {
	k := &Clock{c: c, mix: c.mix()}
	for u := range k.known {
		k.known[u] = map[int64]*priced{}
	}
	return k
}

// NowUS is the program's time.
func (k *Clock) NowUS() int64 { return int64(k.program) }

// Info is the host device's: no GPU works.
func (k *Clock) Info() device.Info { return device.NewHost().Info() }

// Create counts making a buffer.
func (k *Clock) Create(id device.ID, size int64, u cachemodes.Usage) error {
	for int(id) >= len(k.buffers) {
		k.buffers = append(k.buffers, slot{})
	}
	p := k.known[u][size]
	if p == nil {
		p = &priced{k.c.Price(u, size), shaderWrites(u)}
		k.known[u][size] = p
	}
	class := bits.Len64(uint64(size - 1))
	s := slot{priced: p, warm: k.warm[class] > 0}
	if s.warm {
		k.warm[class]--
		k.program += p.WarmCreateUS
	} else {
		k.program += p.CreateUS
	}
	k.live[class]++
	k.made++
	k.buffers[id] = s
	return nil
}

// Use counts recording a write.
func (k *Clock) Use(r device.Recording, id device.ID, recycled bool) error {
	p := &k.buffers[id]
	if p.priced == nil {
		panic(fmt.Sprintf("cost: Use(%d): expected a buffer that Create made", id))
	}
	w := p.Write
	switch {
	case recycled:
		w = Work{k.mix * p.Clear.ProgramUS, k.mix * k.c.clearUS(&p.Price, k.written-p.at+p.Bytes)}
	case p.warm:
		w = p.WarmWrite
	}
	rec := k.at(r)
	if dispatch := p.shader && !recycled; dispatch && !rec.inPass {
		rec.inPass = true
		k.program += k.c.PassUS
	} else if !dispatch {
		rec.inPass = false
	}
	k.program += w.ProgramUS
	rec.us += w.DeviceUS
	if p.in == r && p.at > rec.since {
		rec.us += k.mix * k.c.ChainUS
	}
	rec.any = true
	k.written += p.Bytes
	p.at, p.in = k.written, r
	return nil
}

// Destroy counts giving a buffer up.
func (k *Clock) Destroy(id device.ID) {
	p := k.buffers[id]
	if p.priced == nil {
		panic(fmt.Sprintf("cost: Destroy(%d): expected a buffer that Create made", id))
	}
	k.program += p.DestroyUS
	class := bits.Len64(uint64(p.Bytes - 1))
	k.made--
	k.warm[class]++
	if k.live[class]--; k.live[class] == 0 {
		k.warm[class] = 0
	}
	k.buffers[id] = slot{}
}

// Submit counts a submission of what was recorded.
func (k *Clock) Submit(r device.Recording) error {
	rec := k.at(r)
	if rec.any {
		k.program += k.mix * (k.c.SubmitUS + k.c.SubmitBufferUS*k.made)
		k.device = max(k.device, k.program) + rec.us
	}
	*rec = recording{since: k.written}
	return nil
}

// Wait counts until the device is done.
func (k *Clock) Wait() error {
	if k.device > 0 {
		k.program = max(k.program, k.device) + k.mix*(k.c.WaitUS+k.c.WaitBufferUS*k.made)
		k.device = 0
	}
	return nil
}

// Close does nothing.
func (k *Clock) Close() error { return nil }
