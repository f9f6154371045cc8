// Command bucketscope profiles GPU buffer cache modes in the terminal; see
// README.md.
package main

import (
	"os"

	"bucketscope/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
