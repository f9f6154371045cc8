package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"bucketscope/cachemodes"
)

// coder writes the fields of a state, or reads them: one list of fields (the
// code methods below) serves both, so that they cannot disagree. It appends to
// out, or takes from in. The first thing that is wrong is err; all that is read
// after it is zero.
type coder struct {
	out, in []byte
	reading bool
	version int // of what is read; what is written is of the newest
	err     error
}

// historyVersion is the newest encoding of a state. The second one tells of
// each buffer which session had it last, and more of sessions. An encoding but
// the first begins with its number, negated.
const historyVersion = 2

// codeVersion codes which encoding follows.
func codeVersion(c *coder) {
	if !c.reading {
		n := int64(-historyVersion)
		number(c, &n)
		return
	}
	n, size := binary.Varint(c.in)
	switch {
	case size <= 0 || n >= 0:
		c.version = 1
	case n < -historyVersion:
		c.fail(fmt.Errorf("is of version %d, which this program does not know", -n))
	default:
		c.version = int(-n)
		c.in = c.in[size:]
	}
}

// since reports whether the encoding has what came with a version.
func (c *coder) since(version int) bool { return !c.reading || c.version >= version }

var errCut = errors.New("is cut")

func (c *coder) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.in = nil
}

// number codes an integer of any type; one that does not fit is damage.
func number[T ~int | ~int32 | ~int64 | ~uint8 | ~uint64](c *coder, p *T) {
	if !c.reading {
		c.out = binary.AppendVarint(c.out, int64(*p))
		return
	}
	n, size := binary.Varint(c.in)
	if size <= 0 {
		c.fail(errCut)
		*p = 0
		return
	}
	c.in = c.in[size:]
	*p = T(n)
	if int64(*p) != n {
		c.fail(fmt.Errorf("has %d where a smaller number belongs", n))
		*p = 0
	}
}

func numbers(c *coder, ps ...*int64) {
	for _, p := range ps {
		number(c, p)
	}
}

func (c *coder) flag(p *bool) {
	var n uint8
	if *p {
		n = 1
	}
	number(c, &n)
	*p = n != 0
}

func (c *coder) float(p *float64) {
	bits := math.Float64bits(*p)
	number(c, &bits)
	*p = math.Float64frombits(bits)
}

func (c *coder) text(p *string) {
	n := c.length(len(*p))
	if c.reading {
		*p = string(c.in[:n])
		c.in = c.in[n:]
		return
	}
	c.out = append(c.out, *p...)
}

// length codes how many elements follow. Each takes a byte at least, so a
// length that exceeds the rest is damage, and nothing is made of such a size.
func (c *coder) length(n int) int {
	number(c, &n)
	if c.reading && (n < 0 || n > len(c.in)) {
		c.fail(errCut)
		return 0
	}
	return n
}

// list codes a slice.
func list[S ~[]T, T any](c *coder, p *S, element func(*T)) {
	n := c.length(len(*p))
	if c.reading {
		*p = nil
		for range n {
			var v T
			element(&v)
			if c.err != nil {
				return
			}
			*p = append(*p, v)
		}
		return
	}
	for i := range *p {
		element(&(*p)[i])
	}
}

func (r *Reading) code(c *coder) {
	number(c, &r.Bytes)
	c.flag(&r.OK)
}

func (i *RunInfo) code(c *coder) {
	number(c, &i.Session)
	numbers(c, &i.ID, &i.Tokens, &i.Pass)
	c.flag(&i.Prompt)
	c.text(&i.Label)
	if i.Session < 0 || i.Session >= maxSessions {
		c.fail(fmt.Errorf("names session %d", i.Session))
		i.Session = 0
	}
}

func codeSetting(c *coder, s *cachemodes.Setting) {
	number(c, &s.Mode)
	p := &s.Params
	number(c, &p.Round)
	number(c, &p.AdjustEvery)
	number(c, &p.History)
	number(c, &p.RefreshEvery)
	number(c, &p.CacheLimit)
	number(c, &p.FitRatio)
	list(c, &p.Table, func(b *cachemodes.Bucket) {
		number(c, &b.Key)
		number(c, &b.Cap)
	})
	if c.reading && c.err == nil {
		if int(s.Mode) >= len(cachemodes.Modes()) {
			c.fail(fmt.Errorf("names mode %d", s.Mode))
			s.Mode = 0
			return
		}
		if err := p.Validate(); err != nil {
			c.fail(fmt.Errorf("has a setting that makes no sense: %w", err))
		}
	}
}

func (b *Buffer) code(c *coder) {
	numbers(c, &b.Serial, &b.Size, &b.Requested)
	number(c, &b.Key)
	number(c, &b.Session)
	number(c, &b.Usage)
	number(c, &b.Mode)
	number(c, &b.State)
	numbers(c, &b.Uses, &b.CreatedRun, &b.UsedRun, &b.CreatedUS, &b.ChangedUS)
	if c.since(2) {
		number(c, &b.Last)
	} else {
		b.Last = cachemodes.NoSession
	}
}

func (m *mean) code(c *coder) {
	number(c, &m.n)
	number(c, &m.hi)
	number(c, &m.lo)
}

// maxRequests is more than any history has; twice as many, and those of what is
// read on, can be counted.
const maxRequests = 1 << 60

func (b *Books) code(c *coder) {
	numbers(c, &b.Requests, &b.Hits, &b.Creates, &b.CreateBytes, &b.Destroys, &b.DestroyBytes, &b.Fails)
	for i := range b.Misses {
		number(c, &b.Misses[i])
	}
	numbers(c, &b.InUseCount, &b.InUse, &b.PendingCount, &b.Pending, &b.CachedCount, &b.Cached,
		&b.Requested, &b.PeakHeld, &b.Floor, &b.PeakPadding)
	m := b.average()
	m.code(c)
	if !c.reading {
		return
	}
	if b.Requests < 0 || b.Requests > maxRequests || b.InUseCount < 0 || b.InUseCount > b.Requests || m.n != b.samples() {
		c.fail(fmt.Errorf("has an average over %d samples of %d requests with %d in use", m.n, b.Requests, b.InUseCount))
		m = mean{}
	}
	if !m.within(b.PeakHeld) {
		c.fail(fmt.Errorf("has an average above the peak of %d bytes", b.PeakHeld))
		m = mean{}
	}
	b.mean, b.weighed = m, b.samples()
}

func (k *Key) code(c *coder) {
	number(c, &k.Usage)
	numbers(c, &k.Size, &k.Requests, &k.Hits, &k.Creates, &k.Destroys)
	for i := range k.Misses {
		number(c, &k.Misses[i])
	}
	numbers(c, &k.InUse, &k.Pending, &k.Cached, &k.Requested, &k.PeakInUse, &k.lost, &k.want, &k.lastWant,
		&k.startCreates, &k.startRequests, &k.lastCreates, &k.lastRequests, &k.lastRun)
	c.flag(&k.touched)
}

func (s *Session) code(c *coder) {
	numbers(c, &s.Requests, &s.Hits, &s.Creates, &s.CreateBytes, &s.InUse, &s.Weights, &s.User, &s.Runs)
	if !c.since(2) {
		return
	}
	numbers(c, &s.Pending, &s.Cached, &s.PeakHeld, &s.Lent, &s.LentBytes, &s.Borrowed, &s.BorrowedBytes,
		&s.Waits, &s.WaitUS, &s.Graphs, &s.Replays, &s.Hazards, &s.staging)
	number(c, &s.Life)
}

// code codes an open run: of its Run only what its start says.
func (o *openRun) code(c *coder, most *peaks) {
	o.run.code(c)
	number(c, &o.run.StartUS)
	o.total.code(c)
	for i := range o.usage {
		o.usage[i].code(c)
	}
	numbers(c, &o.adjusts, &o.switches, &most.held, &most.requested, &most.inUse)
}

// codeOpen codes the runs going on, in the order of their start.
func (l *Ledger) codeOpen(c *coder) {
	type begun struct {
		run  openRun
		most peaks
	}
	var all []begun
	for o := l.open.oldest(); o != nil; o = l.open.at(o.later) {
		all = append(all, begun{*o, l.crests.since(o.ordinal)})
	}
	list(c, &all, func(b *begun) { b.run.code(c, &b.most) })
	if c.reading {
		for i := range all {
			b := &all[i].run
			o := l.begin(b.run.RunInfo, all[i].most)
			o.run, o.total, o.usage, o.adjusts, o.switches = b.run, b.total, b.usage, b.adjusts, b.switches
		}
	}
}

func (l *lending) code(c *coder) {
	all := l.all() // those that an earlier program wrote may be more
	list(c, &all, func(p *Loan) {
		number(c, &p.From)
		number(c, &p.To)
		numbers(c, &p.Count, &p.Bytes)
		if p.From < 0 || p.From >= maxSessions || p.To < cachemodes.NoSession || p.To >= maxSessions {
			c.fail(fmt.Errorf("has a loan from session %d to %d", p.From, p.To))
		}
	})
	if c.reading && c.err == nil {
		*l = lending{}
		for i := range all {
			p := l.pair(all[i].From, all[i].To)
			p.Count += all[i].Count
			p.Bytes += all[i].Bytes
		}
	}
}

// code codes the books, and the window that the graph takes next.
func (l *Ledger) code(c *coder) {
	if !c.reading { // of a copy: others may read this one
		l = l.clone()
		l.fold()
	}
	for i := range l.usage {
		l.usage[i].code(c)
	}
	l.total.code(c)
	list(c, &l.keys, func(k *Key) { k.code(c) })
	list(c, &l.touched, func(id *cachemodes.KeyID) { number(c, id) })
	list(c, &l.sessions, func(s *Session) { s.code(c) })
	if c.since(2) {
		l.nobody.code(c)
		number(c, &l.hazards)
		l.lent.code(c)
	} else { // whose it was is not known
		l.nobody.Pending, l.nobody.Cached = l.cachedUsages()
	}
	l.codeOpen(c)
	numbers(c, &l.runs, &l.adjusts, &l.switches, &l.now, &l.wallTime)
	c.flag(&l.timed)
	c.float(&l.wall)
	numbers(c, &l.window.MinHeld, &l.window.MaxHeld, &l.window.MaxInUse, &l.window.MaxRequested)
}

// codeNames codes what the numbers of modes, usages, reasons and kinds of event
// mean. A later program may have more of each; one that numbers them otherwise
// would misread every entry, so a history with other names is refused.
func codeNames(c *coder) {
	for _, known := range [][]string{
		names(len(cachemodes.Modes()), func(i int) string { return cachemodes.ModeID(i).String() }),
		names(cachemodes.NumUsages, func(i int) string { return cachemodes.Usage(i).String() }),
		names(cachemodes.NumReasons, func(i int) string { return cachemodes.Reason(i).String() }),
		names(cachemodes.NumKinds, func(i int) string { return cachemodes.Kind(i).String() }),
	} {
		have := known
		list(c, &have, func(s *string) { c.text(s) })
		for i, name := range have {
			if i >= len(known) || name != known[i] {
				c.fail(fmt.Errorf("knows %.40q, which this program does not: open it with the bucketscope that wrote it", name))
				return
			}
		}
	}
}

func names(n int, name func(int) string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = name(i)
	}
	return out
}

func (m *Moment) code(c *coder) {
	numbers(c, &m.Seq, &m.AtUS, &m.made)
	m.Driver.code(c)
	for i := range m.Config {
		codeSetting(c, &m.Config[i])
	}
	list(c, &m.Buffers, func(b *Buffer) { b.code(c) })
	if c.reading {
		m.Ledger = &Ledger{}
	}
	m.Ledger.code(c)
	list(c, &m.Learnt, c.flag)
	m.Current.code(c)
	m.Track.code(c)
}

// code codes a track with the slot going on; those that are over are rebuilt
// from the entries, as far as these reach.
func (t *Track) code(c *coder) {
	if c.reading {
		t.Series = NewSeries(1, 1)
	}
	keep := int64(t.levels[0].points.Keep)
	numbers(c, &t.PeakRun, &t.PeakUS, &t.peak, &t.SlotUS, &keep)
	if c.reading && (t.SlotUS < 1 || keep < 1 || keep > maxSlots) {
		c.fail(fmt.Errorf("has a graph of %d slots of %d us", keep, t.SlotUS))
		t.SlotUS, keep = 1, 1
	}
	if c.reading {
		t.Series = NewSeries(t.SlotUS, int(keep))
	}
	last := &t.levels[0]
	p := &last.last
	numbers(c, &p.AtUS, &p.Run, &p.MinHeld, &p.MaxHeld, &p.MaxInUse, &p.Held, &p.InUse, &p.Avg, &p.Floor)
	c.flag(&last.any)
	if c.reading && last.any { // coarser slots begin with what the finest knows
		for i := range t.levels[1:] {
			t.levels[i+1].add(*p)
		}
	}
}
