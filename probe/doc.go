// Package probe keeps the books: from the events of a cachemodes.Manager it
// derives every figure that bucketscope shows.
//
//	events ──► Ledger ──► Books per usage and in total, per key, per session
//	              │
//	              ├──► Run      what happened between a run's start and end
//	              └──► Check    created = in use + pending + cached + destroyed
//
// The Ledger is the one source of truth for figures: nothing else counts.
// Series keeps a bounded history of them for graphs. Nothing here knows a
// policy, a device, a clock or a screen; times are given by the caller, in
// microseconds.
package probe
