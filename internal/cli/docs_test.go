package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"bucketscope/cachemodes"
	"bucketscope/internal/quiet"
	"bucketscope/tui"
	"bucketscope/workload"
)

// root is the repository's.
var root = filepath.Join("..", "..")

// block is a stretch of a document that a test writes.
var block = regexp.MustCompile(`(?s)(<!-- generated: (\S+) -->\n).*?(<!-- end -->)`)

// TestDocs compares the tables in the documents with what the program says;
// -update rewrites them.
func TestDocs(t *testing.T) {
	if !plainBuild {
		t.Skip("documents are compared in a plain build")
	}
	tables := map[string]func() string{
		"modes": modesTable, "flags": flagsTable, "keys": tui.KeyTable, "recordings": recordingsTable,
		"llm": llmTable, "targets": targetsTable, "layers": layersTable, "reasons": reasonsTable,
		"phi3": func() string { return phi3Table(t) }, "licences": func() string { return licencesTable(t) },
	}
	used := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, more...) {
		have, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := block.ReplaceAllStringFunc(string(have), func(b string) string {
			m := block.FindStringSubmatch(b)
			table := tables[m[2]]
			if table == nil {
				t.Fatalf("%s: no table is named %q", file, m[2])
			}
			used[m[2]] = true
			return m[1] + table() + m[3]
		})
		if want == string(have) {
			continue
		}
		if !*update {
			t.Errorf("%s is out of date: run make generate", file)
			continue
		}
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name := range tables {
		if !used[name] {
			t.Errorf("the table %q stands in no document", name)
		}
	}
}

// TestLinks follows the links between documents.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no documents: %v", err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range link.FindAllStringSubmatch(string(text), -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
					t.Errorf("%s links to %s, which is not there", file, m[1])
				}
			}
		}
	}
}

func modesTable() string {
	var b strings.Builder
	b.WriteString("| mode | engine | rule | parameters | source |\n| --- | --- | --- | --- | --- |\n")
	for _, m := range cachemodes.Modes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Engine, m.Rule, strings.Join(m.Reads, ", "), m.Source)
	}
	return b.String()
}

// phi3Table is what the command that the README names prints.
func phi3Table(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	a := &app{out: &out, err: io.Discard, stream: quiet.None()}
	cmd := a.root()
	cmd.SetArgs([]string{"run", "--device", "host", "--mode", "all"})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(out.String(), "\n\n")
	table, _, _ = strings.Cut(table, "\n\n")
	return "```\n" + table + "\n```\n"
}

func reasonsTable() string {
	var b strings.Builder
	b.WriteString("| reason | the request created a buffer because |\n| --- | --- |\n")
	for why := cachemodes.Cold; int(why) < cachemodes.NumReasons; why++ {
		fmt.Fprintf(&b, "| `%s` | %s |\n", why, why.Explain())
	}
	return b.String()
}

func flagsTable() string {
	var b strings.Builder
	a := &app{}
	cmd := a.root()
	run, _, err := cmd.Find([]string{"run"})
	if err != nil {
		panic(err)
	}
	b.WriteString("| flag | default | meaning | where |\n| --- | --- | --- | --- |\n")
	row := func(f *pflag.Flag, where string) {
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if value != "" {
			name += " " + value
		}
		def := f.DefValue
		if def == "" || def == "false" {
			def = "–"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, def, usage, where)
	}
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		where := "screen"
		if run.Flags().Lookup(f.Name) != nil {
			where = "screen, run"
		}
		row(f, where)
	})
	run.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if cmd.Flags().Lookup(f.Name) == nil && f.Name != "help" {
			row(f, "run")
		}
	})
	return b.String()
}

func recordingsTable() string {
	var b strings.Builder
	b.WriteString("| name | sessions | runs | events | what it is |\n| --- | --- | --- | --- | --- |\n")
	for _, w := range workload.Builtin() {
		fmt.Fprintf(&b, "| `%s` | %d | %d | %d | %s |\n", w.Name, w.Sessions, w.Runs, w.Events, w.Description)
	}
	return b.String()
}

func llmTable() string {
	var b strings.Builder
	b.WriteString("| preset | layers | heads x size | KV heads | hidden | intermediate | vocabulary |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, p := range workload.Presets() {
		fmt.Fprintf(&b, "| `llm:%s` | %d | %dx%d | %d | %d | %d | %d |\n", p.Name, p.Layers, p.Heads, p.HeadSize, p.KVHeads, p.Hidden, p.Intermediate, p.Vocabulary)
	}
	b.WriteString("\n| parameter | smallest | largest | default |\n| --- | --- | --- | --- |\n")
	for _, p := range workload.Parameters() {
		def := strconv.Itoa(p.Default)
		if p.Default == 0 {
			def = "–"
		}
		fmt.Fprintf(&b, "| `%s` | %d | %d | %s |\n", p.Key, p.Min, p.Max, def)
	}
	b.WriteString("| `kv` | | | grow, or static |\n| `qkv-bias` | | | false, or true |\n")
	return b.String()
}

// targetsTable is the targets of the Makefile with their remarks.
func targetsTable() string {
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		panic(err)
	}
	var b strings.Builder
	b.WriteString("| target | what it makes |\n| --- | --- |\n")
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):.*?## (.*)$`).FindAllStringSubmatch(string(text), -1) {
		fmt.Fprintf(&b, "| `make %s` | %s |\n", m[1], m[2])
	}
	return b.String()
}

// layersTable is the list that imports_test.go keeps.
func layersTable() string {
	text, err := os.ReadFile(filepath.Join(root, "imports_test.go"))
	if err != nil {
		panic(err)
	}
	var b strings.Builder
	b.WriteString("| package | may import, of ours |\n| --- | --- |\n")
	for _, m := range regexp.MustCompile(`(?m)^\t\{"([^"]+)", (?:nil|\[\]string\{(.*)\})\},(?: //.*)?$`).FindAllStringSubmatch(string(text), -1) {
		may := strings.ReplaceAll(m[2], `"`, "`")
		if may == "" {
			may = "nothing"
		}
		name := m[1]
		if name == "." {
			name = "main.go"
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, may)
	}
	return b.String()
}
