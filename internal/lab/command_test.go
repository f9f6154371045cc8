package lab

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"bucketscope/cachemodes"
)

// TestCommand: what a person and a program read says the same.
func TestCommand(t *testing.T) {
	c := Command{Workload: "unet", Goal: Goal{Keys: 20, Minimise: Peak, Limits: []Limit{{Creates, 60}}, Cost: DefaultCost(), Replays: 2000}, Judge: []string{"bert/varied", "unet/varied"}}
	var text, doc bytes.Buffer
	report, err := c.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(&text, report); err != nil {
		t.Fatal(err)
	}
	c.JSON = true
	if err := c.Write(&doc, report); err != nil {
		t.Fatal(err)
	}
	var r Report
	if err := json.Unmarshal(doc.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Elsewhere) != 1 || r.Elsewhere[0].Workload != "bert/varied" || !r.Met || r.After.Figures.Creates > 60 || r.Floor > r.After.Figures.Peak {
		t.Errorf("%+v", r)
	}
	var list strings.Builder
	if err := WriteInitialiser(&list, r.After.Table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"unet/varied: least peak with 20 keys, creates <= 60", mib(r.After.Figures.Peak), r.After.Table.String(), list.String(), "knee", "bert/varied",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
	read := strings.NewReplacer("{", "", "}", "", " ", "").Replace(list.String())
	read = strings.NewReplacer("\n", " ", ",\n", " ", ",", ":").Replace(strings.ReplaceAll(read, ",\n", "\n"))
	table, err := cachemodes.ParseTable(read)
	if err != nil || table.String() != r.After.Table.String() {
		t.Errorf("the initialiser reads %s (%v), want %s", table, err, r.After.Table)
	}
	for _, c := range []Command{{Workload: "nosuch", Goal: c.Goal}, {Workload: "unet", Goal: c.Goal, Judge: []string{"nosuch"}}} {
		if _, err := c.Report(t.Context()); err == nil {
			t.Errorf("%s judged on %q: no such workload", c.Workload, c.Judge)
		}
	}
}
