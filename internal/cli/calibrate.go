package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bucketscope/internal/cost"
	"bucketscope/internal/device"
	"bucketscope/internal/units"
	"bucketscope/probe/driver"
)

func (a *app) calibrateCommand() *cobra.Command {
	var where, out string
	var o cost.Options
	cmd := &cobra.Command{
		Use:   "calibrate",
		Short: "Measure what buffers cost on a device, so that run latency can be predicted",
		Long: `calibrate measures on an adapter, by size of buffer, what it costs to create one,
write it first, clear it, dispatch on it again and give it up; what a submission,
a wait and a compute pass cost; how much faster clears are of what was written of
late; and, where the driver tells, how much device
memory buffers of each size really take. The file that it writes is found by run,
tune, results and the screen, which predict run latency from it.`,
		Example: `  bucketscope calibrate --device webgpu
  bucketscope calibrate --device webgpu:llvmpipe --rounds 9 --max-size 67108864
  bucketscope calibrate --output gpu.calibration.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Rounds < 1 || o.MaxSize < 1<<10 {
				return usagef("--rounds %d, --max-size %d: want at least 1, and 1024", o.Rounds, o.MaxSize)
			}
			if o.Settle < 0 {
				return usagef("--settle %v: want a time such as 10s, 0 for none", o.Settle)
			}
			o.Command = commandOf(cmd)
			return a.calibrate(cmd.Context(), where, out, o)
		},
	}
	p := cmd.Flags()
	p.StringVarP(&where, "device", "d", "auto", "`device` to measure: auto, webgpu, webgpu:N or webgpu:NAME")
	p.StringVarP(&out, "output", "o", "", "`file` to write (default one per adapter, where the other commands look for it; see doctor)")
	p.IntVar(&o.Rounds, "rounds", 5, "measure everything so many `times` and take medians")
	p.DurationVar(&o.Settle, "settle", settle, "measure for so much `time` for nothing first: a GPU may be faster in its first seconds")
	p.Int64Var(&o.MaxSize, "max-size", 128<<20, "largest buffer to measure, in `bytes`")
	completeFlag(cmd, "device", "auto", "webgpu")
	return cmd
}

func (a *app) calibrate(ctx context.Context, where, out string, o cost.Options) (err error) {
	dev, _, err := a.open(&playFlags{device: where})
	if err != nil {
		return err
	}
	defer func() {
		if cerr := dev.Close(); err == nil {
			err = cerr
		}
	}()
	info := dev.Info()
	if !info.Timed {
		return fmt.Errorf("%s has no time to measure: no discrete or integrated GPU was found; --device webgpu takes whatever adapter there is", info)
	}
	reader := driver.Open(info)
	defer reader.Close()
	o.Driver, o.Now = driverOf(info), time.Now()
	o.Read = func() cost.Reading {
		r := reader.Read()
		return cost.Reading{Bytes: r.Bytes, OK: r.OK, Source: r.Source, Reason: r.Reason}
	}
	// A quarter of what there is leaves others theirs.
	if have, err := driver.MemoryOf(info); err == nil {
		o.MaxBytes = have.Available / 4
	}
	bar := a.progress()
	o.Progress = func(done, total int, what string) { bar.show(float64(done)/float64(total), what) }
	c, err := cost.Measure(ctx, dev, o)
	bar.clear()
	if err != nil {
		return fmt.Errorf("calibrating %s: %w", info, err)
	}
	if out == "" {
		out = calibrationPath(c.Adapter)
		if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
			return fmt.Errorf("cannot keep the calibration: %w; --output names another file", err)
		}
	}
	if err := writeFile(out, func(w io.Writer) error { return cost.Write(w, c) }); err != nil {
		return err
	}
	return a.printCalibration(c, out)
}

// commandOf is a command as a person would give it again: with the flags that
// were, and files by their names alone.
func commandOf(cmd *cobra.Command) string {
	words := []string{cmd.CommandPath()}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		value := f.Value.String()
		if list, ok := f.Value.(pflag.SliceValue); ok {
			value = strings.Join(list.GetSlice(), ",")
		}
		if filepath.IsAbs(value) {
			value = filepath.Base(value)
		}
		words = append(words, "--"+f.Name, value)
	})
	return strings.Join(words, " ")
}

// settle is for how long a device is kept at work before it is measured.
const settle = 10 * time.Second

// driverOf is what the system says of a device's driver; empty where it does
// not.
func driverOf(info device.Info) string {
	for _, d := range driver.Describe([]device.Info{info}) {
		return d.Driver
	}
	return ""
}

// loadCalibration reads the calibration of a file, or with none the one of a
// device. A device that has none has a nil one, and why says what to do.
func loadCalibration(file string, info device.Info) (c *cost.Calibration, why string, err error) {
	adapter := cost.AdapterOf(info, "")
	path := file
	if file == "" {
		if !info.Timed {
			return nil, info.Name + " has no time to predict; --calibration names the file of an adapter", nil
		}
		path = calibrationPath(adapter)
	}
	f, err := os.Open(path)
	if file == "" && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Sprintf("no calibration of %s; 'bucketscope calibrate --device webgpu:%d' makes one", adapter, info.Index), nil
	}
	if err != nil {
		return nil, "", usageError{err}
	}
	defer func() { _ = f.Close() }() // nothing was written
	if c, err = cost.Read(f, path); err != nil {
		return nil, "", err
	}
	if file == "" && !c.Adapter.Same(adapter) {
		return nil, "", &cost.FormatError{File: path, Reason: fmt.Sprintf("it is of %s, not of %s", c.Adapter, adapter)}
	}
	return c, "", nil
}

// calibrationNote tells of a driver that is another than the calibration's;
// empty where there is nothing to tell.
func calibrationNote(c *cost.Calibration, info device.Info) string {
	if now := driverOf(info); info.Timed && c.Adapter.Driver != "" && now != "" && now != c.Adapter.Driver {
		return fmt.Sprintf("the calibration was made with %s, this is %s: calibrate again", c.Adapter.Driver, now)
	}
	return ""
}

func (a *app) printCalibration(c *cost.Calibration, path string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s", c.Adapter)
	if c.Adapter.Driver != "" {
		fmt.Fprintf(&b, ", %s", c.Adapter.Driver)
	}
	fmt.Fprintf(&b, "\nA submission costs %s, a wait %s, a compute pass %s; waiting for the command before, %s.\n", micro(c.SubmitUS), micro(c.WaitUS), micro(c.PassUS), micro(c.ChainUS))
	for _, l := range []struct {
		title  string
		prices []cost.Price
	}{{"storage", c.Storage}, {"uniform and others", c.Uniform}} {
		fmt.Fprintf(&b, "\nOne buffer, %s:\n\n", l.title)
		tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(tw, "size\tcreate\tfirst write\twarm\tclear\tdispatch again\tgive up\trounds differ by\t")
		for i := range l.prices {
			p := &l.prices[i]
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.0f %%\t\n", units.Bytes(p.Bytes, false), micro(p.CreateUS), micro(p.Write.US()), micro(p.WarmCreateUS+p.WarmWrite.US()),
				micro(p.Clear.US()), micro(p.Reuse.US()), micro(p.DestroyUS), 100*p.Spread)
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintf(&b, "\nWarm is both, create and first write, where as much memory was given up just before.\n")
	printNear(&b, c)
	if c.NoRounding != "" {
		fmt.Fprintf(&b, "\nWhat buffers take of the device's memory is not known: %s\n", c.NoRounding)
	} else {
		printRounding(&b, c)
	}
	fmt.Fprintf(&b, "\nWritten to %s\n", path)
	_, err := a.out.Write(b.Bytes())
	return err
}

// printNear tells what a device's cache does for clears.
func printNear(b *bytes.Buffer, c *cost.Calibration) {
	if len(c.Near) == 0 {
		return
	}
	fmt.Fprintf(b, "\nClearing a MiB, of a set that is cleared again and again:\n\n")
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, n := range c.Near {
		fmt.Fprintf(tw, "%s\t%s\t\n", units.Bytes(n.SetBytes, false), micro(n.MiBUS))
	}
	_ = tw.Flush() // into memory
}

// printRounding names the sizes that take more memory than was asked for.
func printRounding(b *bytes.Buffer, c *cost.Calibration) {
	fmt.Fprintf(b, "\nSizes that take over 5 %% more device memory than asked for, of %d measured (%s):\n\n", len(c.Rounding), c.RoundingSource)
	rounded := c.Rounded()
	if len(rounded) == 0 {
		fmt.Fprintln(b, "none")
		return
	}
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "size\ttakes\tx\tbuffers\t")
	for _, r := range rounded {
		fmt.Fprintf(tw, "%s\t%s\t%.2f\t%d\t\n", units.Bytes(r.Bytes, false), units.Bytes(r.Cost, false), float64(r.Cost)/float64(r.Bytes), r.Buffers)
	}
	_ = tw.Flush() // into memory
}

// micro is a time in microseconds, with the digits that tell.
func micro(us float64) string {
	switch {
	case us < 10:
		return fmt.Sprintf("%.2fus", us)
	case us < 1000:
		return fmt.Sprintf("%.0fus", us)
	}
	return fmt.Sprintf("%.2fms", us/1000)
}

// slug is a name as a part of a file's.
func slug(s string) string {
	return strings.Trim(strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "-"), "-")
}
