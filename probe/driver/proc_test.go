package driver

import (
	"io/fs"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"

	"bucketscope/internal/device"
)

func TestParseStatm(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64 // -1: an error
	}{
		{"183722 4231 1891 263 0 12345 0\n", 4231 * 4096},
		{"1 0 0 0 0 0 0", 0},
		{"", -1},
		{"12", -1},
		{"12 x", -1},
		{"12 -4", -1},
		{"12 9223372036854775807", -1},
	} {
		got, err := parseStatm(c.text, 4096)
		if c.want < 0 && err == nil || c.want >= 0 && (err != nil || got != c.want) {
			t.Errorf("parseStatm(%q) = %d, %v, want %d", c.text, got, err, c.want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64 // -1: not ok
	}{
		{"0", 0},
		{" 16384\t", 16384},
		{"16 kB", 16 << 10},
		{"16 KiB\n", 16 << 10},
		{"3 MiB", 3 << 20},
		{"9223372036854775807", math.MaxInt64},
		{"9223372036854775808", -1},
		{"9223372036854775807 KiB", -1},
		{"max", -1},
		{"-1", -1},
		{"1.5 MiB", -1},
		{"1 GiB", -1},
		{"1 KiB more", -1},
		{"KiB", -1},
		{"", -1},
	} {
		got, ok := parseSize(c.text)
		if ok != (c.want >= 0) || ok && got != c.want {
			t.Errorf("parseSize(%q) = %d, %t, want %d", c.text, got, ok, c.want)
		}
	}
}

const meminfo = `MemTotal:       24604904 kB
MemFree:        22417016 kB
MemAvailable:   23675804 kB
Buffers:           18496 kB
SwapTotal:             0 kB
HugePages_Total:       0
`

func TestParseMeminfo(t *testing.T) {
	got, err := parseMeminfo(meminfo)
	if want := (Memory{Total: 24604904 << 10, Available: 23675804 << 10}); err != nil || got != want {
		t.Errorf("parseMeminfo = %+v, %v, want %+v", got, err, want)
	}
	for _, text := range []string{"", "MemTotal: 5 kB\n", "MemAvailable: 5 kB\n", "MemTotal: x kB\nMemAvailable: 5 kB\n"} {
		if m, err := parseMeminfo(text); err == nil {
			t.Errorf("parseMeminfo(%q) = %+v, want an error", text, m)
		}
	}
}

func FuzzParseMeminfo(f *testing.F) {
	f.Add(meminfo)
	f.Add("MemTotal: 1\nMemAvailable: 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := parseMeminfo(text); err == nil && (m.Total < 0 || m.Available < 0) {
			t.Fatalf("%+v", m)
		}
	})
}

func TestSystemMemory(t *testing.T) {
	const gib = 1 << 30
	meminfo := "MemTotal: 33554432 kB\nMemAvailable: 16777216 kB\n" // 32 and 16 GiB
	for _, c := range []struct {
		name  string
		files map[string]string
		want  Memory
	}{
		{"no group", nil, Memory{32 * gib, 16 * gib, "/proc/meminfo"}},
		{"version 1", map[string]string{"proc/self/cgroup": "12:memory:/a\n1:name=systemd:/\n"}, Memory{32 * gib, 16 * gib, "/proc/meminfo"}},
		{"no limit", map[string]string{
			"proc/self/cgroup":               "0::/a\n",
			"sys/fs/cgroup/a/memory.max":     "max\n",
			"sys/fs/cgroup/a/memory.current": "5\n",
		}, Memory{32 * gib, 16 * gib, "/proc/meminfo"}},
		{"a container", map[string]string{
			"proc/self/cgroup":             "0::/\n",
			"sys/fs/cgroup/memory.max":     "8589934592\n",
			"sys/fs/cgroup/memory.current": "3221225472\n",
		}, Memory{8 * gib, 5 * gib, "cgroup memory.max"}},
		{"file contents can go", map[string]string{
			"proc/self/cgroup":             "0::/\n",
			"sys/fs/cgroup/memory.max":     "8589934592\n",
			"sys/fs/cgroup/memory.current": "3221225472\n",
			"sys/fs/cgroup/memory.stat":    "anon 5\ninactive_file 1073741824\nactive_file 7\n",
		}, Memory{8 * gib, 6 * gib, "cgroup memory.max"}},
		{"a group above has less", map[string]string{
			"proc/self/cgroup":                 "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max":     "8589934592\n",
			"sys/fs/cgroup/a/b/memory.current": "0\n",
			"sys/fs/cgroup/a/memory.max":       "4294967296\n",
			"sys/fs/cgroup/a/memory.current":   "4294967297\n",
		}, Memory{4 * gib, 0, "cgroup memory.max"}},
		{"a wide limit", map[string]string{
			"proc/self/cgroup":             "0::/../../x\n",
			"sys/fs/cgroup/memory.max":     "68719476736\n",
			"sys/fs/cgroup/memory.current": "0\n",
		}, Memory{32 * gib, 16 * gib, "/proc/meminfo"}},
		{"a limit without a use", map[string]string{
			"proc/self/cgroup":         "0::/\n",
			"sys/fs/cgroup/memory.max": "1\n",
		}, Memory{32 * gib, 16 * gib, "/proc/meminfo"}},
	} {
		files := fstest.MapFS{"proc/meminfo": {Data: []byte(meminfo)}}
		for name, text := range c.files {
			files[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, err := systemMemory(files); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
	if m, err := systemMemory(fstest.MapFS{}); err == nil || !strings.Contains(err.Error(), "no Linux /proc") {
		t.Errorf("without /proc: %+v, %v", m, err)
	}
}

func TestAmdgpuMemory(t *testing.T) {
	files := fstest.MapFS{}
	card := func(name, vendor, dev, total, used string) {
		for file, text := range map[string]string{"vendor": vendor, "device": dev, "mem_info_vram_total": total, "mem_info_vram_used": used} {
			if text != "" {
				files["sys/class/drm/"+name+"/device/"+file] = &fstest.MapFile{Data: []byte(text + "\n")}
			}
		}
	}
	card("card0", "0x1002", "0x73bf", "17163091968", "1000")
	card("card1", "0x1002", "0x73bf", "17163091968", "2000")
	card("card2", "0x1002", "0x1638", "536870912", "600000000")
	card("card3", "0x8086", "0x56a0", "", "")
	card("card0-DP-1", "", "", "", "")
	if got, err := amdgpuMemory(files, device.Info{VendorID: amd, DeviceID: 0x73bf}); err != nil || got != (Memory{17163091968, 17163091968 - 2000, "amdgpu mem_info_vram"}) {
		t.Errorf("two equal cards: %+v, %v, want the fuller one", got, err)
	}
	if got, err := amdgpuMemory(files, device.Info{VendorID: amd, DeviceID: 0x1638}); err != nil || got.Available != 0 {
		t.Errorf("a card over its memory: %+v, %v, want nothing available", got, err)
	}
	if got, err := amdgpuMemory(files, device.Info{VendorID: amd, DeviceID: 1}); err == nil || !strings.Contains(err.Error(), "1002:0001") {
		t.Errorf("no such card: %+v, %v", got, err)
	}
}

func TestSameGPU(t *testing.T) {
	for _, c := range []struct {
		info        device.Info
		vendor, dev uint32
		want        bool
	}{
		{device.Info{VendorID: amd, DeviceID: 5}, amd, 5, true},
		{device.Info{VendorID: amd, DeviceID: 5}, amd, 6, false},
		{device.Info{VendorID: amd, DeviceID: 5}, nvidia, 5, false},
		{device.Info{VendorID: amd}, amd, 5, false},
		{device.Info{}, 0, 0, false},
	} {
		if got := sameGPU(c.info, c.vendor, c.dev); got != c.want {
			t.Errorf("sameGPU(%04x:%04x, %04x:%04x) = %t", c.info.VendorID, c.info.DeviceID, c.vendor, c.dev, got)
		}
	}
}

// unreadable has files that exist and cannot be read.
type unreadable struct{}

func (unreadable) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

func TestResidentReader(t *testing.T) {
	files := fstest.MapFS{"proc/self/statm": {Data: []byte("9 7 0 0 0 0 0\n")}}
	if got, want := (residentReader{files}).Read(), (Reading{Bytes: 7 * int64(os.Getpagesize()), OK: true, Source: "process resident memory"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for name, root := range map[string]fs.FS{
		"no file":        fstest.MapFS{},
		"a bad file":     fstest.MapFS{"proc/self/statm": {}},
		"no permission":  unreadable{},
		"a bad fdinfo":   fstest.MapFS{"proc/self/statm": {Data: []byte("x y")}},
		"half of a file": fstest.MapFS{"proc/self/statm": {Data: []byte("12 ")}},
	} {
		if got := (residentReader{root}).Read(); got.OK || got.Bytes != 0 || got.Source != "" || got.Reason == "" {
			t.Errorf("%s: %+v, want no figure and a reason", name, got)
		}
	}
}

// TestThisComputer reads what there is here, whatever it is.
func TestThisComputer(t *testing.T) {
	software := device.Info{Kind: device.WebGPU, Name: "llvmpipe", Backend: "vulkan", Type: device.CPU, VendorID: 0x10005}
	described := Describe([]device.Info{
		device.NewHost().Info(),
		software,
		{Kind: device.WebGPU, Name: "of NVIDIA", Type: device.Discrete, VendorID: nvidia, DeviceID: 0xffff},
		{Kind: device.WebGPU, Name: "of AMD", Type: device.Discrete, VendorID: amd, DeviceID: 0xffff},
		{Kind: device.WebGPU, Name: "of Intel", Type: device.Discrete, VendorID: 0x8086, DeviceID: 0xffff},
		{Kind: device.WebGPU, Name: "of Apple", Type: device.Integrated},
	})
	for _, d := range described {
		if r := d.Reading; r.OK != (r.Reason == "") || r.OK != (r.Source != "") || !r.OK && r.Bytes != 0 || r.Bytes < 0 {
			t.Errorf("%s: the reading %+v is neither a figure nor a reason", d.Info.Name, r)
		}
		if m := d.Memory; (d.NoMemory == "") != (m.Source != "") || d.NoMemory != "" && m != (Memory{}) || m.Available > m.Total {
			t.Errorf("%s: the memory %+v, %q is neither a figure nor a reason", d.Info.Name, m, d.NoMemory)
		}
		t.Logf("%s: driver %q, memory %+v %s, reading %+v", d.Info.Name, d.Driver, d.Memory, d.NoMemory, d.Reading)
	}
	if r := described[0].Reading; r.OK {
		t.Errorf("beside the host device, which has no buffers, %+v is read", r)
	}
	if runtime.GOOS != "linux" {
		return
	}
	r := Open(software)
	defer r.Close()
	debug.FreeOSMemory() // or what an earlier test freed could be used again
	before := r.Read()
	block := make([]byte, 256<<20)
	for n := 0; n < len(block); n += 4096 {
		block[n] = 1
	}
	after := r.Read()
	runtime.KeepAlive(block)
	if !before.OK || !after.OK || after.Bytes-before.Bytes < 200<<20 {
		t.Errorf("256 MiB more, and the reading goes from %+v to %+v", before, after)
	}
	if m, err := MemoryOf(software); err != nil || m.Total <= 0 || m.Available <= 0 {
		t.Errorf("MemoryOf = %+v, %v", m, err)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, info := range []device.Info{
		{Name: "software", Type: device.CPU},
		{Name: "fdinfo", Type: device.Discrete, VendorID: amd},
		{Name: "NVML", Type: device.Discrete, VendorID: nvidia},
	} {
		b.Run(info.Name, func(b *testing.B) {
			r := Open(info)
			defer r.Close()
			b.ReportAllocs()
			for b.Loop() {
				r.Read()
			}
		})
	}
}
