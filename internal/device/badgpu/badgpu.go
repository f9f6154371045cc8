// Package badgpu makes a Vulkan driver fail as a test tells it to: between the
// WebGPU library and the driver, so that a fault comes from where a real one
// does, in a program as it is.
//
//	program ──► WebGPU library ──► Vulkan loader ──► layer (testdata/layer.c) ──► driver
package badgpu

import (
	_ "embed"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"bucketscope/internal/tooltest"
)

//go:embed testdata/layer.c
var layer []byte

const name = "VK_LAYER_BUCKETSCOPE_bad_gpu"

// Env is the environment in which a program meets faults. They are words
// separated by commas:
//
//	lost=N          the device is lost at its Nth submission, and stays so
//	hang=N          it takes that submission and is lost in it
//	gone=N          it is lost at its Nth allocation
//	nosubmit=N      it has no memory for that submission, and goes on
//	crash=N         the driver crashes at that submission,
//	thread-crash=N  or does so in a thread of its own,
//	thread-abort=N  or ends the process there
//	memory=N        from the Nth allocation on it has no memory
//	refuse=N        the first N devices that are asked for are not made
//	create=MS       making a buffer takes so many milliseconds longer
//	submit=MS       a submission does
//
// The test is skipped where no such layer can be made.
func Env(t testing.TB, faults string) []string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the layer is for Linux")
	}
	dir := t.TempDir()
	source, library := filepath.Join(dir, "layer.c"), filepath.Join(dir, "layer.so")
	if err := os.WriteFile(source, layer, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tooltest.Find(t, "cc", "gcc", "clang"), "-shared", "-fPIC", "-pthread", "-O1", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-o", library, source)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the layer: %v\n%s", err, out)
	}
	manifest, err := json.Marshal(map[string]any{
		"file_format_version": "1.2.0",
		"layer": map[string]string{
			"name": name, "type": "GLOBAL", "library_path": library, "api_version": "1.3.0", "implementation_version": "1", "description": "a bad GPU",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "layer.json"), manifest, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"VK_LAYER_PATH=" + dir, "VK_INSTANCE_LAYERS=" + name, "BUCKETSCOPE_BAD_GPU=" + faults, slowSign + filepath.Join(dir, "slow")}
}

const slowSign = "BUCKETSCOPE_BAD_GPU_SLOW="

// patience is how long a test waits for a program to meet a fault.
const patience = time.Minute

// UntilSlow waits until a program with that environment of Env's is in a call that
// takes longer.
func UntilSlow(t testing.TB, env []string) {
	t.Helper()
	var sign string
	for _, v := range env {
		if path, ok := strings.CutPrefix(v, slowSign); ok {
			sign = path
		}
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(sign); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no call has been slow for %v", patience)
		}
	}
}

// Set is Env for this process: devices that it opens from now on, until the end
// of the test, are bad.
func Set(t *testing.T, faults string) {
	t.Helper()
	for _, v := range Env(t, faults) {
		key, value, _ := strings.Cut(v, "=")
		t.Setenv(key, value)
	}
}
