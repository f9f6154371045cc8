package export

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"bucketscope/internal/units"
	"bucketscope/snapshots"
)

//go:embed report.html
var reportHTML string

// report is the page. Its policy (Content-Security-Policy) lets it load nothing
// from anywhere: it is one file.
var report = template.Must(template.New("report").Parse(reportHTML))

// HTML writes a page with the figures of a document as graphs and tables, which
// needs no network.
func HTML(w io.Writer, d *snapshots.RunDocument) error {
	return report.Execute(w, struct {
		Title, About string
		Document     *snapshots.RunDocument
	}{
		Title: d.Workload.Name + " on " + d.Device.Name,
		About: fmt.Sprintf("%s of %s, %d events, played %s. Weights: %s. Trace sha256 %s.",
			units.Plural(d.Workload.Runs, "run"), units.Plural(d.Workload.Sessions, "session"), d.Workload.Events, units.Times(d.Repeat), d.Device.Weights, d.Workload.SHA256),
		Document: d,
	})
}
