package lab

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"bucketscope/cachemodes"
	"bucketscope/workload"
)

// TestCommand: what a person and a program read says the same.
func TestCommand(t *testing.T) {
	c := Command{Workloads: []string{"unet"}, Goal: Goal{Keys: 20, Minimise: Peak, Limits: []Limit{{Creates, 60}}, Cost: DefaultCost(), Replays: 2000}, Judge: []string{"bert/varied", "unet/varied"}}
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
	checkSchema(t, TuneSchema, doc.Bytes())
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
	for _, c := range []Command{{Workloads: []string{"nosuch"}, Goal: c.Goal}, {Workloads: []string{"unet"}, Goal: c.Goal, Judge: []string{"nosuch"}}} {
		if _, err := c.Report(t.Context()); err == nil {
			t.Errorf("%s judged on %q: no such workload", c.Workloads, c.Judge)
		}
	}
}

// checkSchema holds a document against its schema.
func checkSchema(t *testing.T, schema, text []byte) {
	t.Helper()
	parse := func(text []byte) any {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", parse(schema)); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(parse(text)); err != nil {
		t.Error(err)
	}
}

// TestCommandOnSeveral: one table for several workloads is no worse on their
// mean than ORT's, keeps its limits on each, and is judged on the rest.
func TestCommandOnSeveral(t *testing.T) {
	c := Command{
		Workloads: []string{"unet/varied", "bert/varied"}, Goal: Goal{Keys: 20, Minimise: Latency, Limits: []Limit{{Creates, 100}}, Replays: 2000, Cost: prices()},
		Judge: []string{"bert/varied", "llama-3.2-1b/two"}, Prices: "a test",
	}
	r, err := c.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var sum Figures
	better := 0.0
	for _, j := range r.Given {
		sum.add(&j.After)
		better += math.Log(j.After.US / j.Before.US)
		if j.After.Creates > 100 || j.After.US <= 0 {
			t.Errorf("%s: %+v", j.Workload, j.After)
		}
	}
	if len(r.Given) != 2 || sum != r.After.Figures || better >= 0 || !r.Met {
		t.Errorf("given %+v, together %+v", r.Given, r.After.Figures)
	}
	if len(r.Elsewhere) != 1 || r.Elsewhere[0].Workload != "llama-3.2-1b/two" {
		t.Errorf("judged on %+v", r.Elsewhere)
	}
	var doc bytes.Buffer
	c.JSON = true
	if err := c.Write(&doc, r); err != nil {
		t.Fatal(err)
	}
	checkSchema(t, TuneSchema, doc.Bytes())
}

// TestPricedReplay: what a replay is predicted to take is the price of each
// create and each hit of a real one.
func TestPricedReplay(t *testing.T) {
	tr, p := load(t, "unet/varied"), prices()
	s := NewStream(tr, cachemodes.DefaultConfig())
	for _, tab := range []cachemodes.Table{cachemodes.DefaultTable(), {{Key: 4096, Cap: 3}, {Key: 1 << 20, Cap: 0}}} {
		cfg := cachemodes.DefaultConfig()
		cfg[cachemodes.Storage].Params.Table = tab
		m := cachemodes.NewManager(cfg)
		want := 0.0
		slots := make([]cachemodes.BufID, tr.Slots)
		for i := range tr.Events {
			e := &tr.Events[i]
			switch {
			case e.Op == workload.Submit:
				m.Refresh(e.Session)
			case e.Op == workload.Release && e.Usage == cachemodes.Storage && !e.Init && slots[e.Buf] != cachemodes.NoBuf:
				m.Release(slots[e.Buf])
				slots[e.Buf] = cachemodes.NoBuf
			case e.Op == workload.Request && !stored(e):
				slots[e.Buf] = cachemodes.NoBuf
			case stored(e):
				id, events := m.Request(e.Session, e.Usage, e.Bytes)
				slots[e.Buf] = id
				switch last := events[len(events)-1]; last.Kind {
				case cachemodes.Hit:
					want += p.Hit(last.Size)
				case cachemodes.Create:
					want += p.Miss(last.Size)
				}
			}
		}
		if got := NewReplayer(s).Price(p).Replay(tab).US; math.Abs(got-want) > 1e-6*want || want == 0 {
			t.Errorf("%s: %v us, want %v", tab, got, want)
		}
	}
}
