//go:build !race

package snapshots

const slowdown = 1
