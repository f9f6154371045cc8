//go:build invariants

package engine

// invariants makes a Player verify its books after every event, at the cost of
// going through every buffer.
const invariants = true
