package engine

import (
	"fmt"
	"sync"
	"time"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
)

// lookEvery is how often a Meter asks the driver where no new most was made.
const lookEvery = 20 * time.Millisecond

// Filled is how full a device got.
type Filled struct {
	// Made is the most that existed at once of what was created through the
	// Meter, in bytes: by the program's own count.
	Made int64
	// Driver is the most that the driver said was held beyond what was held at
	// the beginning, in bytes, and Source what says so. Without a figure Source is
	// empty, and Reason tells why.
	Driver         int64
	Source, Reason string
}

// Meter is a device that notes how full another one gets. Closing it closes
// that.
//
// It asks the driver before submissions: what the device frees it frees at
// these, so that in between its memory only grows, and does so by creates. It
// asks where a 256th more exists than when it last did, and else now and then.
// That takes time, which runs that are played through it have in their
// durations.
type Meter struct {
	device.Device
	read func() Reading

	mu    sync.Mutex
	made  gauge
	seen  int64 // gauge.peak when the driver was last asked for that reason
	last  time.Time
	began Reading
	most  int64
	lost  string // why there is no figure
}

// NewMeter begins on a device that is open and holds nothing; read asks the
// driver, nil where there is none to ask.
func NewMeter(dev device.Device, read func() Reading) *Meter {
	m := &Meter{Device: dev, read: read, made: gauge{made: map[device.ID]int64{}}, lost: "no driver was asked"}
	if read != nil {
		m.began = read()
		m.most, m.lost = m.began.Bytes, m.began.Reason
	}
	return m
}

// Filled is how full the device got until now.
func (m *Meter) Filled() Filled {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := Filled{Made: m.made.most(), Reason: m.lost}
	if m.lost == "" {
		f.Driver, f.Source = m.most-m.began.Bytes, m.began.Source
	}
	return f
}

// Create makes a buffer and counts it.
func (m *Meter) Create(id device.ID, size int64, u cachemodes.Usage) error {
	if err := m.Device.Create(id, size, u); err != nil {
		return err
	}
	return m.made.Create(id, size, u)
}

// Destroy gives a buffer up.
func (m *Meter) Destroy(id device.ID) {
	m.made.Destroy(id)
	m.Device.Destroy(id)
}

// Submit asks the driver, if it is time to, and submits.
func (m *Meter) Submit(r device.Recording) error {
	m.look()
	return m.Device.Submit(r)
}

func (m *Meter) look() {
	m.mu.Lock()
	defer m.mu.Unlock()
	peak := m.made.most()
	if m.lost != "" || peak <= m.seen+m.seen>>8 && time.Since(m.last) < lookEvery {
		return
	}
	r := m.read()
	m.seen, m.last = peak, time.Now()
	switch {
	case !r.OK:
		m.lost = r.Reason
	case r.Source != m.began.Source:
		m.lost = fmt.Sprintf("the reading became another in between: %s, then %s", m.began.Source, r.Source)
	default:
		m.most = max(m.most, r.Bytes)
	}
}
