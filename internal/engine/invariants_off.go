//go:build !invariants

package engine

// invariants is set by the build tag of that name.
const invariants = false
