// Package engine plays a workload: one way through for every figure.
//
//	workload.Event ──► Player ──► cachemodes.Manager   decides
//	                     │             │ events
//	                     ├──► device.Device            makes them true
//	                     └──► probe.Ledger             books them
//
//	Profile  plays a trace to its end and answers with the figures
//	Live     plays it over and over at a pace, takes commands between any two
//	         events, and publishes an immutable State for a screen to load
//
// The workload never waits for a screen: Live replaces the State, and nobody
// is told.
package engine
