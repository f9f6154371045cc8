// Package cli is the command line: flags, files, signals, exit codes. It wires
// the packages together and decides nothing that they could.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bucketscope/internal/cost"
	"bucketscope/internal/device"
	"bucketscope/internal/lab"
	"bucketscope/internal/quiet"
	"bucketscope/snapshots"
	"bucketscope/workload"
	"bucketscope/workload/importer"
)

// Exit codes, as documented in the README. A signal ends with 128 plus its
// number.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitNoDevice = 3
)

// app is one invocation.
type app struct {
	stdin  *os.File
	out    io.Writer
	err    io.Writer
	stream *quiet.Streams
	began  bool // the command line made sense, and a command has begun
	// now is err, for the goroutine that waits for signals.
	now atomic.Pointer[os.File]
}

// usageError is a command line, or an input file, that makes no sense.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// signalError is the cause of a context that a signal ended.
type signalError struct{ sig syscall.Signal }

func (e signalError) Error() string { return "ended by a signal: " + e.sig.String() }

// Main runs the program with its arguments, without its name, and answers with
// the exit code.
func Main(args []string) int {
	a := &app{stdin: os.Stdin, out: os.Stdout, err: os.Stderr, stream: quiet.None()}
	a.now.Store(os.Stderr)
	ctx, stop := a.catchSignals()
	defer stop()
	defer func() { _ = a.stream.Close() }()
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
		err = cause
	}
	if err != nil && !a.began { // cobra's own word on the command line
		err = usageError{err}
	}
	if err != nil {
		a.report(err)
	}
	return exitCode(err)
}

// What is under way at the end, such as a call of a GPU driver, which nothing can
// interrupt, is waited for: after quietFor with a word about it, and at the most
// for endAtMost.
const (
	quietFor  = 700 * time.Millisecond
	endAtMost = 10 * time.Second
)

// catchSignals makes a context that a signal ends, for everything to be left
// as it was found. A second signal ends the program at once, and so does the
// first where it is not over by endAtMost.
func (a *app) catchSignals() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	ch, over := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		select {
		case s := <-ch:
			signal.Stop(ch)
			cause := signalError{s.(syscall.Signal)}
			cancel(cause)
			if !a.overSoon(over, nil) {
				os.Exit(exitCode(cause))
			}
		case <-over:
		}
	}()
	return ctx, func() {
		signal.Stop(ch)
		close(over)
		cancel(nil)
	}
}

// overSoon waits for the end of what is under way, and answers whether it came;
// what cuts it short need not be.
func (a *app) overSoon(over, cut <-chan struct{}) bool {
	for i, d := range []time.Duration{quietFor, endAtMost - quietFor} {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-over:
			return true
		case <-cut:
			return false
		case <-timer.C:
		}
		if i == 0 {
			a.warn("waiting for what is under way, at most %v; ctrl+c leaves at once", endAtMost)
		}
	}
	a.warn("it does not end, and is left to the system")
	return false
}

// warn writes to a person from beside the command, in the place of its bar.
func (a *app) warn(format string, args ...any) {
	to := a.now.Load()
	if term.IsTerminal(int(to.Fd())) {
		fmt.Fprint(to, "\r\x1b[K")
	}
	fmt.Fprintf(to, "bucketscope: "+format+"\n", args...)
}

// report tells a person what went wrong.
func (a *app) report(err error) {
	fmt.Fprintf(a.err, "bucketscope: %v\n", err)
	if (errors.As(err, new(*device.LostError)) || errors.As(err, new(*device.RefusedError))) && a.stream.Path != "" {
		fmt.Fprintf(a.err, "What the driver and the WebGPU library said is in %s.\n", a.stream.Path)
	}
	var u usageError
	if errors.As(err, &u) && !errors.As(err, new(*workload.FormatError)) {
		fmt.Fprintln(a.err, "Try 'bucketscope --help', or '--help' after a command.")
	}
}

func exitCode(err error) int {
	var sig signalError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &sig):
		return 128 + int(sig.sig)
	case errors.As(err, new(usageError)), errors.As(err, new(*workload.FormatError)), errors.As(err, new(*snapshots.FormatError)),
		errors.As(err, new(*importer.FormatError)), errors.As(err, new(*cost.FormatError)), errors.As(err, new(*lab.FileError)):
		return exitUsage
	case errors.Is(err, device.ErrNoAdapter), errors.As(err, new(*device.RefusedError)):
		return exitNoDevice
	}
	return exitFailed
}

// root is the command without a name: the terminal interface.
func (a *app) root() *cobra.Command {
	var f playFlags
	var s screenFlags
	root := &cobra.Command{
		Use:   "bucketscope",
		Short: "Profile GPU buffer cache modes on recorded inferences, live in the terminal",
		Long: `bucketscope plays a recorded inference on a GPU buffer allocator and shows what
each cache mode of ONNX Runtime's WebGPU execution provider costs: peak and
average memory, buffers created anew, and why. Without a command it opens the
terminal interface; m picks another mode while it runs, ? lists the keys.`,
		Example: `  bucketscope
  bucketscope --workload llama-3.2-1b/grow --mode dynamicBucket --pace 10
  bucketscope --trace mine.jsonl.gz --device webgpu
  bucketscope run --workload phi3-mini-4k/grow --mode all`,
		Args:             noArgs,
		SilenceUsage:     true,
		SilenceErrors:    true,
		PersistentPreRun: func(*cobra.Command, []string) { a.began = true },
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.screen(cmd, &f, &s)
		},
	}
	f.add(root)
	s.add(root)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(a.runCommand(), a.openCommand(), a.tuneCommand(), a.calibrateCommand(), a.resultsCommand(), a.compareCommand(), a.exportCommand(), a.importCommand(), a.recordCommand(), a.workloadsCommand(), a.configCommand(), a.doctorCommand(), a.versionCommand())
	root.CompletionOptions.HiddenDefaultCmd = false
	return root
}

// noArgs refuses arguments and names them.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		var names []string
		for _, c := range cmd.Commands() {
			names = append(names, c.Name())
		}
		if len(names) > 0 {
			return usagef("there is no command %q; the commands are %s", args[0], strings.Join(names, ", "))
		}
		return usagef("%s takes no arguments, got %q", cmd.CommandPath(), args)
	}
	return nil
}

// capture keeps what a GPU driver prints off the terminal from here on; asking
// again changes nothing. Where
// no log file can be had the program goes on without, and says so.
func (a *app) capture() {
	if a.stream.Path != "" {
		return
	}
	s, err := quiet.Capture(logPath())
	if err != nil {
		fmt.Fprintf(a.err, "bucketscope: %v: a GPU driver's lines may appear on the terminal\n", err)
		return
	}
	a.stream = s
	a.out, a.err = s.Out, s.Err
	a.now.Store(s.Err)
	a.lastWords("")
	// A crash must be seen although descriptor 2 is the log.
	_ = debug.SetCrashOutput(s.Err, debug.CrashOptions{})
}

// lastWords prepares for a driver that ends the program where nothing can catch
// that: what takes the screen down, and a word of explanation.
func (a *app) lastWords(takeDown string) {
	f, ok := a.err.(*os.File)
	if !ok {
		return
	}
	device.LastWords(f.Fd(), fmt.Sprintf("%s\nbucketscope: the GPU's driver, or the WebGPU library above it, ended the program; "+
		"what it said is in %s\n", takeDown, a.stream.Path))
}
