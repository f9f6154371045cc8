// Package cachemodes decides which GPU buffer serves a request: the cache
// modes of ONNX Runtime's WebGPU execution provider and the one mechanism that
// carries them all.
//
// A mode is three answers, given by a Policy:
//
//	which key?      Key(n)         the size of the buffer that serves n bytes
//	usable when?    Reuse()        at once, at the next refresh, at run end
//	keep how many?  Cap(size)      and when the rest goes: Discard()
//
// The modes of other engines may also choose a larger buffer (Chooser), or give
// up free ones of their own accord (Evictor); for both the Manager keeps the
// free buffers of a cache on a Shelf.
//
// The Manager owns every buffer, a Policy owns none. That is why a mode can be
// switched between any two calls, in the middle of a run: nothing is handed
// over, only the answers change.
//
//	       Request                     Release
//	         │                            │
//	Key(n) ──┴─► free list ── empty ─► create     kept, usable at once ─► free list
//	                │                              kept, usable later ──► pending
//	                └─► hit                        not kept ─► destroy, or pending
//	                                                          until Discard
//
// Every call answers with the Events that happened, in order. The caller makes
// them true on a device and books them. Nothing here knows a device, a clock,
// a file or a screen, and nothing is safe for concurrent use: the caller has
// the lock, so that no device call ever happens under it.
package cachemodes
