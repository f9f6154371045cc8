// Package lab compares policies without a device: yardsticks that bound what
// any policy can reach on a trace, allocators of other engines that no WebGPU
// engine can have, and the search for a key:cap table.
//
//	workload.Trace ──► Stream ──► Replay   what a table does, exactly
//	                     │
//	                     ├──► Keys, Waste, Caps   exact answers
//	                     └──► Tune                search, from those answers
//	workload.Trace ──► PyTorch, BFC, TFLite       simulated rows
//
// Everything here is a pure function of its arguments: the same trace and seed
// give the same answer, however many cores there are. (Tune compares logarithms,
// whose last bit may differ between processors; what it answers is replayed
// exactly everywhere.) Sizes are bytes.
package lab
