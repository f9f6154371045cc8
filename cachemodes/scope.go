package cachemodes

import (
	"fmt"
	"strings"
)

// Scope says who shares free buffers.
//
//	device       one cache for all sessions                   ORT 1.30
//	session      one for each session, gone with it
//	run          one for each run, handed on to the session's next run
//	shared-free  one for each session, and a pool that what is free in it goes
//	             to once the commands that used it are submitted      ORT #29851
//
// Whoever shares, a free buffer goes to another session only when the commands
// that its last holder recorded with it are submitted: until then the queue has
// them still to come, and the other's may overtake them.
type Scope uint8

// The scopes.
const (
	ScopeDevice Scope = iota
	ScopeSession
	ScopeRun
	ScopeSharedFree

	numScopes = int(ScopeSharedFree) + 1
)

var scopeNames = [numScopes]string{"device", "session", "run", "shared-free"}

var scopeTexts = [numScopes]string{
	"one cache for all sessions, which outlives them",
	"a cache for each session, destroyed with it",
	"a cache for each run, handed on to the session's next run and destroyed with the session",
	"a cache for each session, and a pool for what is free and submitted, emptied with the last session",
}

// String is the scope's name.
func (s Scope) String() string { return scopeNames[s] }

// Explain says what the scope is, in a few words.
func (s Scope) Explain() string { return scopeTexts[s] }

// Scopes lists every scope.
func Scopes() []Scope { return []Scope{ScopeDevice, ScopeSession, ScopeRun, ScopeSharedFree} }

// LookupScope finds a scope by its name; case does not matter.
func LookupScope(name string) (Scope, error) {
	for s, n := range scopeNames {
		if strings.EqualFold(n, name) {
			return Scope(s), nil
		}
	}
	return 0, fmt.Errorf("there is no scope %q; the scopes are %s", name, strings.Join(scopeNames[:], ", "))
}

// Sharing says how a Manager's caches are laid out.
type Sharing struct {
	Scope Scope
	// Generations is how many retired captured graphs a session keeps the
	// buffers of for its next one; ORT's sessionBufferPoolGenerations.
	Generations int
	// Provoke makes the Manager do wrong on purpose, to see it found.
	Provoke Hazard
}

// DefaultGenerations is ORT's sessionBufferPoolGenerations.
const DefaultGenerations = 1

// Hazard is a fault of a buffer cache's that makes commands on the GPU read or
// write what is not theirs. Engines had each of them.
type Hazard uint8

// The hazards.
const (
	NoHazard Hazard = iota
	// UniformReuse: a uniform buffer is handed out twice in one recording. Its
	// content is written when the commands are submitted, so the dispatches of
	// both see the later one.
	UniformReuse
	// CrossSession: a buffer is handed to a session while unsubmitted commands
	// of another use it.
	CrossSession
	// WrongManager: a buffer comes back to a cache that it is not of.
	WrongManager
	// GraphLent: a buffer of a captured graph, which a replay writes, is handed
	// out elsewhere.
	GraphLent
	// DestroyBeforeSubmit: a buffer is destroyed, not only released, while
	// unsubmitted commands use it.
	DestroyBeforeSubmit

	numHazards = int(DestroyBeforeSubmit) + 1
)

var hazardNames = [numHazards]string{"none", "uniform-reuse", "cross-session", "wrong-manager", "graph-lent", "destroy-before-submit"}

var hazardTexts = [numHazards]string{
	"nothing is wrong",
	"a uniform buffer is reused before the commands that read it are submitted (ORT #28325)",
	"a buffer is handed to a session while another one's unsubmitted commands use it (ORT #29594)",
	"a buffer is returned to a cache that did not create it (ORT #25485)",
	"a captured graph's buffer is handed out elsewhere while the graph can be replayed",
	"a buffer is destroyed while unsubmitted commands use it (ORT #25485)",
}

// String is the hazard's name.
func (h Hazard) String() string { return hazardNames[h] }

// Explain says what the hazard is.
func (h Hazard) Explain() string { return hazardTexts[h] }

// Hazards lists every hazard there is.
func Hazards() []Hazard {
	return []Hazard{UniformReuse, CrossSession, WrongManager, GraphLent, DestroyBeforeSubmit}
}

// LookupHazard finds a hazard by its name; the empty name is NoHazard.
func LookupHazard(name string) (Hazard, error) {
	if name == "" {
		return NoHazard, nil
	}
	for h, n := range hazardNames {
		if n == name {
			return Hazard(h), nil
		}
	}
	return 0, fmt.Errorf("there is no hazard %q; the hazards are %s", name, strings.Join(hazardNames[1:], ", "))
}
