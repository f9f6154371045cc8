// Package tui is the terminal interface: it shows an engine's state and gives
// it commands.
//
//	engine ── State ──► tick ──► model ──► screen.follow      once per state
//	   ▲                           │
//	   │                           ├── draw ──► canvas ──► Bubble Tea ──► terminal
//	   │                           │
//	   └──── commands ◄── actions ◄┴── key map ◄── keys
//
// A tick loads the latest State, which is immutable; no event is ever a
// message, and the workload never waits for the screen. No call to the engine
// blocks: what came of a command is seen in the State after it.
//
// What is shown is the latest State, the one that the display was frozen at, or
// one rebuilt from the history (travel.go): a screen cannot tell them apart, so
// all of them go back together. Work that takes longer than a picture may, such
// as looking for events, has a budget per tick (eventlog.go).
//
// The model routes. A screen and its panes are plain types: follow, work and
// press change them, draw only draws, from the frame it is given onto a view of the
// canvas, which clips. What a cell means is a style; how that looks is the
// theme's (theme.go). Every key is in the key map (keys.go), every delay and
// size in sizes.go.
//
// Without colour, bold, faint and reverse remain: nothing is told by colour
// alone.
package tui
