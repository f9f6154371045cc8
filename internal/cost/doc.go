// Package cost predicts how long runs take on a device from what the parts of a
// run were measured to cost there.
//
//	Device ──► Measure ──► Calibration (a file) ──► Clock: a device that only
//	                             │                  counts the time
//	                             └──► Miss, Hit     what a table's search needs
//
// A prediction is of what the program does on the device: make buffers, write
// them first, clear those served again, give them up, submit and wait. It knows
// two lanes, that of the program, which records and submits, and that of the
// device, which works off what was submitted:
//
//	program ─ create ─ record ─ record ─ submit ─ record ─ submit ─ wait ·····┐
//	device                               └─ write ─ clear ─┘└─ write ─────────┘
//
// Times are microseconds, sizes bytes.
package cost
