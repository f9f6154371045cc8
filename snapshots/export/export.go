// Package export writes recordings in the formats of other tools, each with the
// field names that its reading tool expects. Where a format is from, and what
// of ours stands for what of its, is said in its file.
//
// A run document has figures of whole recordings and of runs; what needs every
// event takes a snapshot. Nothing here knows a file, a device or a screen.
package export
