package cachemodes

// BufID names a buffer while it exists: a small number, used again after the
// buffer's destruction, so that devices and books can index slices with it.
type BufID int32

// NoBuf is no buffer.
const NoBuf BufID = -1

// KeyID names a (usage, size) pair for the life of a Manager: 0, 1, 2, ... in
// the order in which sizes were first seen. NoKey is that of buffers which
// bypass the caches.
type KeyID int32

// NoKey is the KeyID of buffers that no cache serves.
const NoKey KeyID = -1

// NoSession is the Event.Session of events that belong to no session.
const NoSession int32 = -1

// Kind says what happened.
type Kind uint8

// The kinds of event. The first group moves a buffer, the second changes what
// a cache would do with the next one.
const (
	Hit     Kind = iota // cached -> in use
	Create              // -> in use: a new buffer is made
	Keep                // in use -> cached: released and usable at once
	Pend                // in use -> pending: released, not usable before a refresh or run end
	Settle              // pending -> cached
	Destroy             // From -> gone
	Fail                // a Create that the device refused; the buffer never was

	KeyBorn    // a learning mode made Size a key
	KeyDropped // an adjustment took Size from the keys, or a switch did: see Manager.Set
	Adjust     // a learning mode renewed its keys
	Switch     // the mode of a usage, or its parameters, changed
	Refresh    // the pending buffers of a session were looked at

	Move // cached -> cached, in another cache: to or from a pool

	// NumKinds is how many kinds there are.
	NumKinds = int(Move) + 1
)

var kindNames = [NumKinds]string{"hit", "create", "keep", "pend", "settle", "destroy", "fail", "key born", "key dropped", "adjust", "switch", "refresh", "move"}

func (k Kind) String() string { return kindNames[k] }

// State is where a buffer is.
type State uint8

// The states of a buffer.
const (
	Gone State = iota
	InUse
	Pending
	Cached
)

var stateNames = [...]string{"gone", "in use", "pending", "cached"}

func (s State) String() string { return stateNames[s] }

// Reason says why a request was a miss, or why a buffer was not kept.
//
// A miss is explained by one buffer that would have served it: each buffer
// given up for a reason explains one later miss of its size, after which the
// new buffer stands in its place. So the misses of a reason are exactly those
// that would have been hits had nothing been given up for that reason; a miss
// with no such buffer is Cold. Under a Chooser it may be a larger buffer that
// would have served; the smallest one is taken for it.
type Reason uint8

// The reasons. Only misses are Cold or StillPending.
const (
	NoReason     Reason = iota
	Cold                // no buffer of this size is missing: demand is at a new high
	CapFull             // its bucket was at its cap when a buffer came back
	AboveTable          // larger than the largest key: never cached
	DroppedKey          // its size was no longer a key, or never was one
	StillPending        // a buffer of this size is released but not usable yet
	NoCache             // the mode keeps nothing
	Switched            // given up when the mode or its parameters were changed, or before, under those
	Bypass              // weights, staging and the application's buffers meet no cache
	Evicted             // given up by the mode's own rule: a limit, an age, a sweep
	Unsubmitted         // a free buffer of this size is in commands of another session that are not submitted yet
	OwnerGone           // the session or the captured graph that its cache belonged to was released

	// NumReasons is how many reasons there are.
	NumReasons = int(OwnerGone) + 1
)

var reasonNames = [NumReasons]string{"none", "cold", "cap_full", "above_table", "key_dropped", "pending", "no_cache", "switched", "bypass", "evicted", "unsubmitted", "owner_gone"}

// String is the name that JSON uses.
func (r Reason) String() string { return reasonNames[r] }

var reasonTexts = [NumReasons]string{
	"it was served from the cache",
	"more buffers of its size are wanted at once than ever before",
	"its bucket was at its cap when a buffer of its size came back",
	"it is larger than the largest key, and such buffers are never kept",
	"its size is not, or no longer, a key",
	"a buffer of its size is released but not usable before the next refresh or run end",
	"the mode keeps nothing",
	"a buffer of its size was given up when the mode or its numbers were changed, or before that",
	"weights, staging and the application's buffers meet no cache",
	"a buffer that would have served was given up by the mode's own rule",
	"a free buffer of its size is in another session's commands, which are not submitted yet",
	"a buffer of its size went with the session or the captured graph whose cache it was in",
}

// Explain says, in words that follow "because", why a request of this reason
// was not served from the cache.
func (r Reason) Explain() string { return reasonTexts[r] }

// Event is one thing that happened to a buffer or a cache.
type Event struct {
	// Size is the size of the buffer in bytes, or the key.
	Size int64
	// Requested is the bytes its holder asked for (Hit, Create, Fail), or had
	// asked for (Keep, Pend, and Destroy from in use). On Switch and Adjust it
	// is 0.
	Requested int64
	Buf       BufID
	Key       KeyID
	// Session is the holder's, or the one whose run caused an Adjust;
	// NoSession for buffers in a cache.
	Session int32
	// Last is the session that released the buffer last, NoSession for a new
	// one: of a Hit, who had it before; of what happens in a cache, whose it was.
	Last int32
	// Domain is the cache that the buffer belongs to; of a Move, from now on.
	Domain DomainID
	Kind   Kind
	Usage  Usage
	// Mode is the one that the buffer was acquired under (booking a release to
	// today's mode would falsify both); on Switch, the new mode.
	Mode ModeID
	// Why a Create was a miss; why a Pend or a Destroy was not kept.
	Why Reason
	// From is the state that a Destroy left.
	From State
}
