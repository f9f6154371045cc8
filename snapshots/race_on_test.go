//go:build race

package snapshots

// slowdown is what the race detector costs, at most.
const slowdown = 20
