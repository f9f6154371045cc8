package device

import "bucketscope/cachemodes"

// host keeps no memory and no commands: the ledger alone tells what a policy
// would have held.
type host struct{}

// NewHost is the device that needs no driver: every call succeeds at once and
// touches no memory, so its timing says nothing about a GPU.
func NewHost() Device { return host{} }

func (host) Info() Info {
	return Info{Kind: Host, Name: "host (books only)", Type: None}
}
func (host) Create(ID, int64, cachemodes.Usage) error { return nil }
func (host) Use(Recording, ID, bool) error            { return nil }
func (host) Destroy(ID)                               {}
func (host) Submit(Recording) error                   { return nil }
func (host) Wait() error                              { return nil }
func (host) Close() error                             { return nil }

// Idle is described at Idle.
func (host) Idle() {}
