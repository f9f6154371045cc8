package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"bucketscope/cachemodes"
	"bucketscope/internal/device"
	"bucketscope/internal/engine"
	"bucketscope/snapshots"
)

func addSnapshotFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "snapshot", "", "write every event to a snapshot `file`: at the end of run, or when the screen is left; of several modes, each to a file with the mode in its name")
}

// runSnapshot is the recording of a result whose document was begun.
func runSnapshot(doc *snapshots.RunDocument, res *engine.Result, sharing cachemodes.Sharing, capture bool) *snapshots.Snapshot {
	return &snapshots.Snapshot{
		About: snapshots.About{
			Program: program(), Workload: doc.Workload, Device: doc.Device, Repeat: doc.Repeat,
			Scope: sharing.Scope.String(), GraphCapture: capture, Generations: sharing.Generations, Concurrency: doc.Concurrency,
			Sessions: sessionNames(res.Sessions), Events: res.Events,
			ElapsedUS: res.Elapsed.Microseconds(), DeviceUS: res.DeviceTime.Microseconds(),
			Driver: snapshots.DriverSource{Source: res.Driver.Source, Reason: res.Driver.Reason},
			Marks:  []snapshots.Mark{},
		},
		History: res.History,
	}
}

// liveSnapshot is the recording of a live profile up to now, as far back as its
// journal reaches.
func liveSnapshot(st *engine.State) *snapshots.Snapshot {
	w := st.Workload
	s := &snapshots.Snapshot{
		About: snapshots.About{
			Program: program(),
			Workload: snapshots.RunWorkload{
				Name: w.Name, Model: w.Model, Pattern: w.Pattern, SHA256: w.SHA256, Events: w.Events, Runs: w.Runs, Sessions: w.Sessions,
				Leaks: w.Leaks, LeakBytes: w.LeakBytes,
			},
			Scope: st.Sharing.Scope.String(), GraphCapture: st.Capture, Generations: st.Sharing.Generations,
			Device: runDevice(st.Device, st.Weights), Sessions: sessionNames(st.Sessions),
			Events: st.Events, ElapsedUS: st.NowUS, DeviceUS: st.DeviceUS,
			Driver: snapshots.DriverSource{Source: st.Driver.Source, Reason: st.Driver.Reason},
			Marks:  make([]snapshots.Mark, 0, len(st.Marks)),
		},
		History: st.History,
	}
	for _, m := range st.Marks {
		s.Marks = append(s.Marks, snapshots.Mark(m))
	}
	return s
}

// sessionNames names sessions: of one workload by its numbers, of several by
// the order in which they were begun.
func sessionNames(sessions []engine.Session) []snapshots.SessionName {
	out := make([]snapshots.SessionName, 0, len(sessions))
	several := false
	for i := range sessions {
		several = several || sessions[i].Lane != sessions[0].Lane
	}
	for i := range sessions {
		s := &sessions[i]
		name := snapshots.SessionName{ID: s.ID, Model: s.Model, Since: s.Since}
		if several {
			name.ID, name.Workload = int64(i), s.Workload
		}
		out = append(out, name)
	}
	return out
}

// runDevice says what a workload was played on.
func runDevice(info device.Info, weights engine.Weights) snapshots.RunDevice {
	return snapshots.RunDevice{
		Kind: string(info.Kind), Name: info.Name, Backend: info.Backend, Type: string(info.Type),
		Driver: info.Driver, Timed: info.Timed, Weights: string(weights),
	}
}

// program names this one, with its version.
func program() string {
	line, _, _ := strings.Cut(version(), "\n")
	return line
}
