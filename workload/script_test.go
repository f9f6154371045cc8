package workload

import (
	"os"
	"strings"
	"testing"
)

// scriptCase is a case of a script: a command line, input lines, "----", and
// the answer up to an empty line.
type scriptCase struct {
	before  []string // comments and empty lines
	line    int      // of the command
	command []string
	input   []string
	answer  string
}

func readScript(t testing.TB, path string) []scriptCase {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	// until takes the lines up to one that stop accepts, which stays.
	i := 0
	until := func(stop func(string) bool) []string {
		start := i
		for i < len(lines) && !stop(lines[i]) {
			i++
		}
		return lines[start:i]
	}
	var cases []scriptCase
	for i < len(lines) {
		var c scriptCase
		c.before = until(func(l string) bool { return l != "" && l[0] != '#' })
		if i == len(lines) {
			break
		}
		c.line = i + 1
		c.command = strings.Fields(lines[i])
		i++
		c.input = until(func(l string) bool { return l == "----" })
		i++
		c.answer = strings.Join(until(func(l string) bool { return l == "" }), "\n")
		cases = append(cases, c)
	}
	return cases
}

// runScript compares the answers of a script, or rewrites them under -update.
func runScript(t *testing.T, path string, answer func(t *testing.T, c scriptCase) string) {
	t.Helper()
	var out []string
	for _, c := range readScript(t, path) {
		got := answer(t, c)
		if got != c.answer && !*update {
			t.Errorf("%s:%d: %s\n got  %s\n want %s", path, c.line, c.command, got, c.answer)
		}
		out = append(out, c.before...)
		out = append(out, strings.Join(c.command, " "))
		out = append(out, c.input...)
		out = append(out, "----", got)
	}
	if *update {
		golden(t, path, []byte(strings.Join(out, "\n")+"\n"))
	}
}
