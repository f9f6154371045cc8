//go:build !race

package engine

// slower is by how much the race detector slows a simulation down.
const slower = 1
