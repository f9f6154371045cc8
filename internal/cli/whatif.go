package cli

import (
	"sync"

	"bucketscope/internal/cost"
	"bucketscope/internal/device"
	"bucketscope/internal/lab"
	"bucketscope/tui"
)

// whatIf simulates other modes beside a workload on a device. The function
// answers what the screen shows of it. It must be closed once the workload has
// ended.
func whatIf(calibration string, info device.Info) (*lab.WhatIf, func() *tui.WhatIf, error) {
	prices, why, err := loadCalibration(calibration, info)
	if err != nil {
		return nil, nil, err
	}
	w := lab.NewWhatIf(whatIfOptions(prices, info))
	var mu sync.Mutex
	var last *lab.WhatIfState
	var shown *tui.WhatIf
	return w, func() *tui.WhatIf {
		mu.Lock()
		defer mu.Unlock()
		if st := w.State(); st != last {
			last, shown = st, whatIfShown(st, why)
		}
		return shown
	}, nil
}

// whatIfOptions are those for a device.
func whatIfOptions(prices *cost.Calibration, info device.Info) lab.WhatIfOptions {
	return lab.WhatIfOptions{Prices: prices, Crowded: info.Type == device.CPU}
}

// whatIfShown is a state for the screen.
func whatIfShown(st *lab.WhatIfState, why string) *tui.WhatIf {
	out := &tui.WhatIf{Followed: st.Followed, Skipped: st.Skipped, Behind: st.Behind, Lost: st.Lost, Prices: st.Prices, NoPrices: why, Scale: st.Scale}
	if y := st.Yardsticks; y != nil {
		out.BestKeys, out.BestOf, out.Plan = y.BestKeys, y.BestOf, y.Plan
	}
	for i := range st.Rows {
		r := &st.Rows[i]
		out.Rows = append(out.Rows, tui.WhatIfRow{
			Name: r.Name, Setting: r.Setting, Variant: r.Variant, SimulatedOnly: r.SimulatedOnly,
			Peak: r.Peak, Average: r.Average, NewPerRun: r.NewPerRun, RunUS: r.RunUS, Runs: r.Runs,
		})
	}
	return out
}
