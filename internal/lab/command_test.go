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
	if err := c.Run(t.Context(), &text); err != nil {
		t.Fatal(err)
	}
	c.JSON = true
	if err := c.Run(t.Context(), &doc); err != nil {
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
	if err := (&Command{Workload: "nosuch", Goal: c.Goal}).Run(t.Context(), &text); err == nil {
		t.Error("no such workload")
	}
}
