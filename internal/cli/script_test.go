package cli

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"bucketscope/internal/device"
	"bucketscope/snapshots"
)

var update = flag.Bool("update", false, "rewrite what the scripts of testdata compare with")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"bucketscope": func() { os.Exit(Main(os.Args[1:])) },
	})
}

// TestScripts runs the command line as a person or a CI would.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			e.Setenv("XDG_DATA_HOME", filepath.Join(e.WorkDir, "data"))
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "webgpu":
				return hasAdapter(t, ""), nil
			case "llvmpipe":
				return hasAdapter(t, name), nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"schema": schema,
			"figure": figure,
		},
	})
}

// hasAdapter reports whether there is an adapter with that in its name. Where
// CI says that the webgpu device must be tested, a missing one is a failure.
func hasAdapter(t *testing.T, name string) bool {
	adapters, err := device.Adapters()
	for _, i := range adapters {
		if strings.Contains(i.Name, name) {
			return true
		}
	}
	if os.Getenv("BUCKETSCOPE_REQUIRE_WEBGPU") != "" {
		t.Fatalf("no WebGPU adapter %q (%v): install Debian's mesa-vulkan-drivers", name, err)
	}
	return false
}

// exits runs a command that must end with an exit code: exits CODE COMMAND...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("%q exits with %s, want %s", args[1:], got, args[0])
	}
}

// schema holds a file against the JSON Schema of run documents.
func schema(ts *testscript.TestScript, neg bool, args []string) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(err)
	s, err := jsonschema.UnmarshalJSON(strings.NewReader(string(snapshots.RunSchema)))
	ts.Check(err)
	c := jsonschema.NewCompiler()
	ts.Check(c.AddResource("run.schema.json", s))
	compiled, err := c.Compile("run.schema.json")
	ts.Check(err)
	if err := compiled.Validate(doc); (err != nil) != neg {
		ts.Fatalf("%s: %v", args[0], err)
	}
}

// figure compares a value in a JSON file: figure FILE PATH VALUE, the path by
// dots with numbers for places in lists.
func figure(ts *testscript.TestScript, neg bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	for _, step := range strings.Split(args[1], ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[step]
		case []any:
			var i int
			ts.Check(json.Unmarshal([]byte(step), &i))
			v = at[i]
		default:
			ts.Fatalf("%s: %s leads nowhere at %q", args[0], args[1], step)
		}
	}
	got, err := json.Marshal(v)
	ts.Check(err)
	if (string(got) == args[2]) == neg {
		ts.Fatalf("%s: %s is %s, want %s", args[0], args[1], got, args[2])
	}
}
