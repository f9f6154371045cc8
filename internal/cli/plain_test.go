//go:build !race && !invariants

package cli

// plainBuild tells that nothing makes this build slower. Documents are compared in it
// alone: they play every mode on every recording, one after the other, and are the
// same in every build.
const plainBuild = true
