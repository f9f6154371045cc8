package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"bucketscope/internal/units"
	"bucketscope/workload"
)

func (a *app) workloadsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "workloads",
		Short: "List the recordings built in, and the generators",
		Long: `workloads lists what --workload takes: the recordings of ONNX Runtime's WebGPU
provider that are built into the program, and language models whose requests
are generated from their configuration.`,
		Example: `  bucketscope workloads
  bucketscope run --workload llama-3.2-1b/grow
  bucketscope run --workload llm:phi-4-mini,prompt=512,tokens=64,kv=static`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return a.workloads() },
	}
}

func (a *app) workloads() error {
	tw := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "RECORDING\tSESSIONS\tRUNS\tEVENTS\tWHAT IT IS")
	for _, w := range workload.Builtin() {
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%s\n", w.Name, w.Sessions, w.Runs, w.Events, w.Description)
	}
	fmt.Fprintln(tw, "\nGENERATOR\t\t\t\tWHAT IT IS")
	for _, p := range workload.Presets() {
		fmt.Fprintf(tw, "llm:%s\t\t\t\t%d layers, %d heads of %d, %d KV heads, hidden %d, vocabulary %d\n",
			p.Name, p.Layers, p.Heads, p.HeadSize, p.KVHeads, p.Hidden, p.Vocabulary)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(a.out, "\nA generator takes parameters: llm:NAME,prompt=512,tokens=64,kv=static; see docs/workloads.md.")
	return err
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version and what it was built with",
		Example: "  bucketscope version",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.out, version())
			return err
		},
	}
}

// version tells what this program is, from what the Go linker knows.
func version() string {
	v, rev, cgo, tags := "unknown", "", "0", ""
	gpu := "none"
	if info, ok := debug.ReadBuildInfo(); ok {
		v = info.Main.Version
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				rev = " " + s.Value
			case "vcs.modified":
				if s.Value == "true" {
					rev += " (modified)"
				}
			case "CGO_ENABLED":
				cgo = s.Value
			case "-tags":
				tags = " tags " + s.Value
			}
		}
		for _, m := range info.Deps {
			if m.Path == "github.com/cogentcore/webgpu" && cgo == "1" {
				gpu = m.Path + " " + m.Version
			}
		}
	}
	return fmt.Sprintf("bucketscope %s%s\n%s %s/%s cgo %s%s\nwebgpu: %s\n", v, rev, runtime.Version(), runtime.GOOS, runtime.GOARCH, cgo, tags, gpu)
}

// bytesOrUnlimited is a limit for a person to read; 0 is none.
func bytesOrUnlimited(n int64) string {
	if n == 0 {
		return "no limit"
	}
	return units.Bytes(n, false)
}
