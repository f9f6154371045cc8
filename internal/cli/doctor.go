package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/charmbracelet/colorprofile"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bucketscope/internal/device"
	"bucketscope/internal/units"
	"bucketscope/probe/driver"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Show adapters, limits, driver readings, terminal and paths",
		Long: `doctor shows what bucketscope finds on this machine, and for what it does not
find, why: the GPUs that could play a workload and their limits, what their
drivers tell about memory, what the terminal can show, and where files are.`,
		Example: "  bucketscope doctor",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return a.doctor() },
	}
}

func (a *app) doctor() error {
	outIsTerminal := false
	if f, ok := a.out.(*os.File); ok {
		outIsTerminal = term.IsTerminal(int(f.Fd()))
	}
	a.capture()
	var b strings.Builder
	fmt.Fprint(&b, version())
	fmt.Fprintln(&b, "\nDevices")
	adapters, refused, err := device.Try()
	switch {
	case err != nil:
		fmt.Fprintf(&b, "  no WebGPU: %v\n", err)
	case len(adapters) == 0:
		fmt.Fprintln(&b, "  no WebGPU adapter: no Vulkan, Metal or Direct3D 12 driver answered.")
		fmt.Fprintln(&b, "  A software adapter is in Debian's package mesa-vulkan-drivers; --device host needs none.")
	}
	for n, d := range driver.Describe(append(adapters, device.NewHost().Info())) {
		var no error
		if n < len(refused) {
			no = refused[n]
		}
		describe(&b, d, no)
	}
	choice, err := device.Choose(adapters, "auto")
	if err != nil {
		fmt.Fprintf(&b, "  --device auto: %v\n", err)
	} else {
		fmt.Fprintf(&b, "  --device auto takes %s\n", choice)
	}
	a.describeTerminal(&b, outIsTerminal)
	fmt.Fprintln(&b, "\nPaths")
	fmt.Fprintf(&b, "  config        %s (%s)\n", configPath(), configState())
	fmt.Fprintf(&b, "  log           %s\n  calibrations  %s\n", logPath(), calibrationFolder())
	fmt.Fprintln(&b, "  The screen's snapshots and exports go to the folder that it was started in, or to --folder.")
	_, err = io.WriteString(a.out, b.String())
	return err
}

// describe tells of one device, and why none can be had of it, if so.
func describe(b *strings.Builder, d driver.Description, no error) {
	i := d.Info
	name := fmt.Sprintf("webgpu:%d  %s", i.Index, i)
	if i.Kind == device.Host {
		name = i.String()
	}
	fmt.Fprintf(b, "  %s\n", name)
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(tw, "    %s\t%s\n", name, value) }
	if i.Kind != device.Host {
		row("usable", usable(no))
		row("type", string(i.Type))
		row("driver", orDash(d.Driver))
		row("PCI id", fmt.Sprintf("%04x:%04x", i.VendorID, i.DeviceID))
		row("largest buffer", bytesOrUnlimited(i.MaxBufferSize))
		row("largest storage binding", bytesOrUnlimited(i.MaxStorageBinding))
		if d.NoMemory != "" {
			row("memory", "– "+d.NoMemory)
		} else {
			row("memory", fmt.Sprintf("%s available of %s (%s)", units.Bytes(d.Memory.Available, false), units.Bytes(d.Memory.Total, false), d.Memory.Source))
		}
	}
	if r := d.Reading; r.OK {
		row("driver reading", fmt.Sprintf("%s (%s)", units.Bytes(r.Bytes, false), r.Source))
	} else {
		row("driver reading", "– "+r.Reason)
	}
	_ = tw.Flush() // into memory
}

// usable tells whether a device could be made of an adapter, and if not what to do.
func usable(no error) string {
	var refused *device.RefusedError
	switch {
	case no == nil:
		return "yes"
	case errors.As(no, &refused):
		return fmt.Sprintf("no: its driver refused %s (%v); %s", refused.Doing, refused.Err, refused.Remedy())
	}
	return fmt.Sprintf("no: %v", no)
}

func (a *app) describeTerminal(b *strings.Builder, isTerminal bool) {
	fmt.Fprintln(b, "\nTerminal")
	row := func(name, value string) { fmt.Fprintf(b, "  %-12s %s\n", name, value) }
	row("system", runtime.GOOS+"/"+runtime.GOARCH)
	row("TERM", orDash(os.Getenv("TERM")))
	row("COLORTERM", orDash(os.Getenv("COLORTERM")))
	row("NO_COLOR", orDash(os.Getenv("NO_COLOR")))
	row("locale", orDash(firstOf(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG"))))
	if !isTerminal {
		row("output", "not a terminal: the screen needs one, 'bucketscope run' does not")
		return
	}
	w, h, err := term.GetSize(int(a.out.(*os.File).Fd()))
	if err != nil {
		row("size", "– "+err.Error())
	} else {
		row("size", fmt.Sprintf("%dx%d", w, h))
	}
	row("colours", colorprofile.Detect(a.out, os.Environ()).String())
}

func orDash(s string) string { return firstOf(s, "–") }

// firstOf is the first that is not empty.
func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}
