//go:build race || invariants

package cli

const plainBuild = false
