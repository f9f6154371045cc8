package probe

import (
	"cmp"
	"slices"
)

// Loan is what one session got of what another had.
type Loan struct {
	From, To     int32
	Count, Bytes int64
}

// lending is what sessions lent each other. Of a thousand sessions that share a
// device nearly every one lends to every other: a million pairs, of which only
// those of one lender move when there is a new one.
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
