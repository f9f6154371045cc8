package cachemodes

// aboveTable is what the bucket modes round a size above their largest key to.
const aboveTable = 16

// bucketed is ORT's bucket and bucketLegacy: fixed size classes with caps. They
// differ in when a kept buffer can serve again.
type bucketed struct {
	table Table
	reuse When
}

func (b bucketed) Key(n int64) int64 {
	if i := b.table.find(n); i < len(b.table) {
		return b.table[i].Key
	}
	return roundUp(n, aboveTable)
}

func (b bucketed) Cap(size int64) (int, Reason) {
	i := b.table.find(size)
	switch {
	case i == len(b.table):
		return 0, AboveTable
	case b.table[i].Key != size:
		return 0, DroppedKey
	case b.table[i].Cap == 0:
		return 0, CapFull
	}
	return b.table[i].Cap, NoReason
}

func (b bucketed) Reuse() When   { return b.reuse }
func (b bucketed) Discard() When { return AtRefresh }

// graph is the mode of a captured graph's own storage buffers: the table's
// keys without caps, and every size above the table a key of its own.
type graph struct{ table Table }

func (g graph) Key(n int64) int64       { return bucketed{table: g.table}.Key(n) }
func (g graph) Cap(int64) (int, Reason) { return Uncapped, NoReason }
func (g graph) Reuse() When             { return AtOnce }
func (g graph) Discard() When           { return AtOnce }
