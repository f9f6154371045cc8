package probe

import (
	"cmp"
	"slices"

	"bucketscope/cachemodes"
)

// Loan is what one session got of what another had.
type Loan struct {
	From         int32
	To           int32 // Others for those that are not named
	Count, Bytes int64
}

// Others is the To of what a session lent beyond the mostNamed sessions that had
// something of it first.
const Others = cachemodes.NoSession

// mostNamed bounds the pairs of a lender: of a thousand sessions that share a
// device nearly every one lends to every other, a million pairs, of which each
// checkpoint and each State would have a copy.
const mostNamed = 32

// lending is what sessions lent each other.
type lending struct {
	n  int      // pairs
	by [][]Loan // of each lender, by To
}

// pair is what one session lent another, to add to.
func (l *lending) pair(from, to int32) *Loan {
	if n := int(from) + 1 - len(l.by); n > 0 {
		l.by = append(l.by, make([][]Loan, n)...)
	}
	row := &l.by[from]
	at, found := slices.BinarySearchFunc(*row, to, func(p Loan, to int32) int { return cmp.Compare(p.To, to) })
	if !found && to != Others {
		others := len(*row) > 0 && (*row)[0].To == Others
		if others && len(*row) > mostNamed {
			return &(*row)[0]
		}
		if !others && len(*row) == mostNamed {
			to, at = Others, 0
		}
	}
	if !found {
		*row = slices.Insert(*row, at, Loan{From: from, To: to})
		l.n++
	}
	return &(*row)[at]
}

// all are all pairs, by From, then To.
func (l *lending) all() []Loan {
	out := make([]Loan, 0, l.n)
	for _, row := range l.by {
		out = append(out, row...)
	}
	return out
}

func (l *lending) clone() lending {
	c := lending{n: l.n, by: make([][]Loan, len(l.by))}
	all := l.all()
	for i, row := range l.by { // each without room, so that what is added is no other's
		c.by[i], all = all[:len(row):len(row)], all[len(row):]
	}
	return c
}
