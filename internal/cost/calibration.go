package cost

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sort"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
)

// The name and version of the file that a Calibration is.
const (
	Format  = "bucketscope-calibration"
	Version = 1
)

// Schema is the JSON Schema of a Calibration.
//
//go:embed calibration.schema.json
var Schema []byte

// Calibration is what the parts of a run cost on one adapter. It does not
// change once made and is safe for concurrent use.
type Calibration struct {
	Format  string  `json:"format"`
	Version int     `json:"version"`
	Adapter Adapter `json:"adapter"`
	// Made is when, as RFC 3339 has it; Command by which command.
	Made    string `json:"made"`
	Command string `json:"command,omitempty"`
	// SubmitUS is a submission, WaitUS waiting for an idle device and PassUS
	// beginning and ending a compute pass: once each, whatever is in it.
	SubmitUS float64 `json:"submit_us"`
	WaitUS   float64 `json:"wait_us"`
	PassUS   float64 `json:"pass_us"`
	// SubmitBufferUS and WaitBufferUS are what a submission and a wait take longer
	// for each buffer that there is, used or not: the library looks through all
	// (wgpu-core's trackers and life tracker).
	SubmitBufferUS float64 `json:"submit_buffer_us,omitempty"`
	WaitBufferUS   float64 `json:"wait_buffer_us,omitempty"`
	// ChainUS is what the device takes longer for a command that has to wait for
	// one before it in the same submission, which wrote the same buffer.
	ChainUS float64 `json:"chain_us,omitempty"`
	// Mix is how many times as long a step of writes of many sizes takes, in many
	// submissions, as all of the above say, which is measured in rows of one size; 0,
	// where it was not measured, means 1.
	Mix float64 `json:"mix,omitempty"`
	// Storage are buffers that a shader writes first, Uniform those that a copy
	// does: uniform, query resolve and all others. Sizes ascend.
	Storage []Price `json:"storage"`
	Uniform []Price `json:"uniform"`
	// Staging are buffers that the program maps, each made alone; empty where it
	// was not measured, and they are taken for Uniform.
	Staging []Price `json:"staging,omitempty"`
	// Near is how fast clears are by how much they go through again and again:
	// a cache of the device has what was written of late. Sets ascend; empty
	// where it was not measured.
	Near []Near `json:"near,omitempty"`
	// Rounding is what buffers cost in device memory, by size, ascending; empty
	// where the driver could not say, and NoRounding then tells why.
	Rounding       []Block `json:"rounding"`
	RoundingSource string  `json:"rounding_source,omitempty"`
	NoRounding     string  `json:"no_rounding,omitempty"`
}

// Adapter is what a calibration belongs to.
type Adapter struct {
	Name     string `json:"name"`
	Backend  string `json:"backend"`
	Type     string `json:"type"`
	Driver   string `json:"driver,omitempty"`
	VendorID uint32 `json:"vendor_id"`
	DeviceID uint32 `json:"device_id"`
}

// AdapterOf is a device's identity; driver is what the system says of the
// driver, where the device does not.
func AdapterOf(i device.Info, driver string) Adapter {
	if i.Driver != "" {
		driver = i.Driver
	}
	return Adapter{Name: i.Name, Backend: i.Backend, Type: string(i.Type), Driver: driver, VendorID: i.VendorID, DeviceID: i.DeviceID}
}

// Same reports whether both are the same kind of adapter, whatever the driver.
func (a Adapter) Same(b Adapter) bool {
	a.Driver, b.Driver = "", ""
	return a == b
}

// String is the adapter in a few words.
func (a Adapter) String() string {
	if a.Backend == "" {
		return a.Name
	}
	return a.Name + " " + a.Backend
}

// Price is what a buffer of some size costs, the median of several rounds.
type Price struct {
	Bytes int64 `json:"bytes"`
	// CreateUS is making it, DestroyUS giving it up; the program does both.
	CreateUS  float64 `json:"create_us"`
	DestroyUS float64 `json:"destroy_us"`
	// Write is its first write, Clear the clear of one that is served again,
	// Reuse a dispatch on one that was written before.
	Write Work `json:"write"`
	// WarmCreateUS and WarmWrite are creation and first write where another of
	// the size was given up before, among such as stay: its memory is there.
	WarmCreateUS float64 `json:"warm_create_us"`
	WarmWrite    Work    `json:"warm_write"`
	Clear        Work    `json:"clear"`
	Reuse        Work    `json:"reuse"`
	// SetBytes is what the clears of a sample went through.
	SetBytes int64 `json:"set_bytes,omitempty"`
	// Spread is by how much rounds differed: the highest sum of all, less the
	// lowest, as a share of the median.
	Spread float64 `json:"spread"`
}

// Near is clearing a set of so many bytes over and over.
type Near struct {
	SetBytes int64 `json:"set_bytes"`
	// MiBUS is what the device takes for each MiB.
	MiBUS float64 `json:"mib_us"`
}

// Work is a command: recording and submitting it, and doing it.
type Work struct {
	ProgramUS float64 `json:"program_us"`
	DeviceUS  float64 `json:"device_us"`
}

// US is both together: what it takes where nothing overlaps.
func (w Work) US() float64 { return w.ProgramUS + w.DeviceUS }

// Block is what buffers of a size cost in device memory.
type Block struct {
	Bytes int64 `json:"bytes"`
	// Cost is what the driver says that one takes; it differs from Bytes by
	// what the sub-allocator rounds, and by whole blocks that it keeps.
	Cost int64 `json:"cost"`
	// Buffers is of how many it is the mean.
	Buffers int `json:"buffers"`
}

// FormatError is a calibration that cannot be used.
type FormatError struct {
	File   string
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s: %s; 'bucketscope calibrate' makes a new one", e.File, e.Reason)
}

// Write writes a calibration.
func Write(w io.Writer, c *Calibration) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(c)
}

// maxFile bounds what Read takes in: a hundred times what Write writes.
const maxFile = 4 << 20

// Read reads a calibration and checks it; name stands for it in errors, which
// are *FormatError where the text is at fault.
func Read(r io.Reader, name string) (*Calibration, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	if len(text) > maxFile {
		return nil, &FormatError{name, fmt.Sprintf("it is above %d bytes, and no calibration", maxFile)}
	}
	var c Calibration
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, &FormatError{name, "it is no calibration: " + err.Error()}
	}
	if err := c.validate(); err != nil {
		return nil, &FormatError{name, err.Error()}
	}
	return &c, nil
}

func (c *Calibration) validate() error {
	if c.Format != Format {
		return fmt.Errorf("its format is %q, not %q", c.Format, Format)
	}
	if c.Version != Version {
		return fmt.Errorf("its version is %d; this program reads %d", c.Version, Version)
	}
	if c.Adapter.Name == "" {
		return fmt.Errorf("it names no adapter")
	}
	if !sane(c.SubmitUS, c.WaitUS, c.PassUS, c.ChainUS, c.SubmitBufferUS, c.WaitBufferUS) {
		return fmt.Errorf("submit, wait, pass or chain is no time")
	}
	if !sane(c.Mix) || c.Mix > mostMix {
		return fmt.Errorf("a mix of %v times as long makes no sense", c.Mix)
	}
	for _, l := range []struct {
		name   string
		prices []Price
	}{{"storage", c.Storage}, {"uniform", c.Uniform}, {"staging", c.Staging}} {
		if len(l.prices) == 0 && l.name != "staging" {
			return fmt.Errorf("it has no prices of %s buffers", l.name)
		}
		last := int64(0)
		for _, p := range l.prices {
			if p.Bytes <= last || p.Bytes > cachemodes.MaxBytes {
				return fmt.Errorf("the sizes of %s buffers do not ascend at %d", l.name, p.Bytes)
			}
			last = p.Bytes
			if !sane(p.CreateUS, p.DestroyUS, p.Write.ProgramUS, p.Write.DeviceUS, p.WarmCreateUS, p.WarmWrite.ProgramUS, p.WarmWrite.DeviceUS, p.Clear.ProgramUS, p.Clear.DeviceUS, p.Reuse.ProgramUS, p.Reuse.DeviceUS) {
				return fmt.Errorf("a price of %s buffers of %d bytes is no time", l.name, p.Bytes)
			}
		}
	}
	last := int64(0)
	for _, n := range c.Near {
		if n.SetBytes <= last || !sane(n.MiBUS) {
			return fmt.Errorf("the clears of a set of %d bytes make no sense", n.SetBytes)
		}
		last = n.SetBytes
	}
	last = 0
	for _, b := range c.Rounding {
		if b.Bytes <= last || b.Cost < 0 || b.Buffers < 1 {
			return fmt.Errorf("the rounding at %d bytes makes no sense", b.Bytes)
		}
		last = b.Bytes
	}
	return nil
}

// mostMix bounds Mix: more is no adapter's, but a machine's that did something else.
const mostMix = 100

// mix is Mix, or 1.
func (c *Calibration) mix() float64 {
	if c.Mix == 0 {
		return 1
	}
	return c.Mix
}

// sane reports whether all are times.
func sane(us ...float64) bool {
	for _, x := range us {
		if math.IsNaN(x) || x < 0 || x > 1e12 {
			return false
		}
	}
	return true
}

// roundsFrom is how much more memory than asked for a size must take to be
// told: less is what the driver's reading is coarse by.
const roundsFrom = 1.05

// Rounded are the sizes that take over 5 % more device memory than was asked for.
func (c *Calibration) Rounded() []Block {
	var out []Block
	for _, b := range c.Rounding {
		if float64(b.Cost) >= roundsFrom*float64(b.Bytes) {
			out = append(out, b)
		}
	}
	return out
}

// of is the list that prices buffers of a usage.
func (c *Calibration) of(u cachemodes.Usage) []Price {
	switch {
	case shaderWrites(u):
		return c.Storage
	case u == cachemodes.Staging && len(c.Staging) > 0:
		return c.Staging
	}
	return c.Uniform
}

// shaderWrites reports whether a device has a shader write the fresh buffers of
// a usage: see device.Device.Use.
func shaderWrites(u cachemodes.Usage) bool {
	return u == cachemodes.Storage || u == cachemodes.Weights || u == cachemodes.User
}

// Price is what a buffer costs: on the line between the measured sizes around
// it; above the largest in proportion to its size.
func (c *Calibration) Price(u cachemodes.Usage, size int64) Price {
	list := c.of(u)
	i := sort.Search(len(list), func(i int) bool { return list[i].Bytes >= size })
	switch {
	case i == len(list):
		last := list[len(list)-1]
		return last.blend(Price{}, float64(size)/float64(last.Bytes), size)
	case i == 0 || list[i].Bytes == size:
		p := list[i]
		p.Bytes = size
		return p
	}
	a, b := list[i-1], list[i]
	share := float64(size-a.Bytes) / float64(b.Bytes-a.Bytes)
	return b.blend(a, share, size)
}

// blend is share of p and what is left of 1 of q; with an empty q, p times
// share.
func (p Price) blend(q Price, share float64, size int64) Price {
	rest := 1 - share
	if q.Bytes == 0 {
		rest = 0
	}
	mix := func(x, y float64) float64 { return share*x + rest*y }
	work := func(x, y Work) Work { return Work{mix(x.ProgramUS, y.ProgramUS), mix(x.DeviceUS, y.DeviceUS)} }
	return Price{
		Bytes: size, CreateUS: mix(p.CreateUS, q.CreateUS), DestroyUS: mix(p.DestroyUS, q.DestroyUS),
		Write: work(p.Write, q.Write), WarmCreateUS: mix(p.WarmCreateUS, q.WarmCreateUS), WarmWrite: work(p.WarmWrite, q.WarmWrite), Clear: work(p.Clear, q.Clear), Reuse: work(p.Reuse, q.Reuse), Spread: mix(p.Spread, q.Spread),
		SetBytes: int64(mix(float64(p.SetBytes), float64(q.SetBytes))),
	}
}

// clearUS is what the device takes to clear a buffer of a price, where a set of
// so many bytes was written since its last write, itself included.
func (c *Calibration) clearUS(p *Price, set int64) float64 {
	if len(c.Near) == 0 || p.SetBytes == 0 {
		return p.Clear.DeviceUS
	}
	return max(0, p.Clear.DeviceUS+float64(p.Bytes)/(1<<20)*(c.near(set)-c.near(p.SetBytes)))
}

// near is what the device takes to clear a MiB of a set, on the line between the
// measured ones.
func (c *Calibration) near(set int64) float64 {
	i := sort.Search(len(c.Near), func(i int) bool { return c.Near[i].SetBytes >= set })
	switch {
	case i == 0:
		return c.Near[0].MiBUS
	case i == len(c.Near):
		return c.Near[i-1].MiBUS
	}
	a, b := c.Near[i-1], c.Near[i]
	share := float64(set-a.SetBytes) / float64(b.SetBytes-a.SetBytes)
	return a.MiBUS + share*(b.MiBUS-a.MiBUS)
}

// Miss is what a storage buffer costs that is created where another one was
// given up, and given up some time, where nothing overlaps.
func (c *Calibration) Miss(size int64) float64 {
	p := c.Price(cachemodes.Storage, size)
	return p.WarmCreateUS + p.WarmWrite.US() + p.DestroyUS
}

// Hit is what one costs that is served again.
func (c *Calibration) Hit(size int64) float64 {
	return c.Price(cachemodes.Storage, size).Clear.US()
}
