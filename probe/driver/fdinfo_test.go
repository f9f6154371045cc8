package driver

import (
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"bucketscope/internal/device"
)

// What the kernel's drivers write, after the documents and sources of each.
const (
	// i915 of Linux 6.8 on a discrete card.
	i915 = `pos:	0
flags:	02100002
mnt_id:	27
ino:	752
drm-driver:	i915
drm-client-id:	11
drm-pdev:	0000:03:00.0
drm-total-system0:	5120 KiB
drm-shared-system0:	0
drm-active-system0:	0
drm-resident-system0:	4 MiB
drm-purgeable-system0:	0
drm-total-local0:	300 MiB
drm-shared-local0:	0
drm-active-local0:	0
drm-resident-local0:	262400 KiB
drm-purgeable-local0:	64 KiB
drm-total-stolen-local0:	1024
drm-resident-stolen-local0:	1024
drm-engine-render:	9288864723 ns
drm-engine-copy:	2035071108 ns
drm-engine-video:	0 ns
drm-engine-capacity-video:	2
`
	// i915 before Linux 6.5: engines alone.
	i915Old = `pos:	0
drm-driver:	i915
drm-client-id:	7
drm-pdev:	0000:00:02.0
drm-engine-render:	9288864723 ns
`
	xe = `drm-driver:	xe
drm-client-id:	3
drm-pdev:	0000:03:00.0
drm-total-system:	0
drm-shared-system:	0
drm-active-system:	0
drm-resident-system:	0
drm-purgeable-system:	0
drm-total-gtt:	192 KiB
drm-shared-gtt:	0
drm-active-gtt:	0
drm-resident-gtt:	192 KiB
drm-total-vram0:	23992 KiB
drm-shared-vram0:	16 MiB
drm-active-vram0:	0
drm-resident-vram0:	23992 KiB
drm-total-stolen:	0
drm-resident-stolen:	0
drm-cycles-rcs:	28257900
drm-total-cycles-rcs:	7655183225
drm-engine-capacity-vcs:	2
`
	// amdgpu of Linux 6.1, which pads its keys.
	amdgpuOld = `pos:	0
flags:	02100002
drm-driver:	amdgpu
pasid:	32769
drm-pdev:	0000:0b:00.0
drm-client-id:	112
drm-memory-vram:	81212 KiB
drm-memory-gtt: 	20484 KiB
drm-memory-cpu: 	0 KiB
drm-engine-gfx:	1104302 ns
`
	// amdgpu of Linux 6.13.
	amdgpu = `drm-driver:	amdgpu
drm-client-id:	112
drm-pdev:	0000:0b:00.0
pasid:	32769
drm-total-cpu:	0
drm-shared-cpu:	0
drm-active-cpu:	0
drm-resident-cpu:	0
drm-purgeable-cpu:	0
drm-total-gtt:	20488 KiB
drm-resident-gtt:	20484 KiB
drm-total-vram:	90000 KiB
drm-shared-vram:	64 KiB
drm-resident-vram:	81212 KiB
drm-memory-vram:	81212 KiB
drm-memory-gtt:	20484 KiB
drm-memory-cpu:	0 KiB
amd-evicted-vram:	0 KiB
amd-requested-vram:	90000 KiB
`
	// panfrost: a GPU that is no PCI device.
	panfrost = `drm-driver:	panfrost
drm-client-id:	14
drm-engine-fragment:	1846584880 ns
drm-cycles-fragment:	1424359409
drm-maxfreq-fragment:	799999987 Hz
drm-curfreq-fragment:	799999987 Hz
drm-total-memory:	290 MiB
drm-shared-memory:	0 MiB
drm-active-memory:	226 MiB
drm-resident-memory:	36496 KiB
drm-purgeable-memory:	128 KiB
`
	eventfd = `pos:	0
flags:	02000002
mnt_id:	16
ino:	1041
eventfd-count:                0
`
)

func TestParseFdinfo(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       client
		ok         bool
	}{
		{"i915", i915, client{"i915", "0000:03:00.0", "11", []region{
			{"system0", 5 << 20, 4 << 20},
			{"local0", 300 << 20, 262400 << 10},
			{"stolen-local0", 1024, 1024},
		}}, true},
		{"i915 without memory", i915Old, client{"i915", "0000:00:02.0", "7", nil}, true},
		{"xe", xe, client{"xe", "0000:03:00.0", "3", []region{
			{"system", 0, 0}, {"gtt", 192 << 10, 192 << 10}, {"vram0", 23992 << 10, 23992 << 10}, {"stolen", 0, 0},
		}}, true},
		{"old amdgpu", amdgpuOld, client{"amdgpu", "0000:0b:00.0", "112", []region{
			{"vram", -1, 81212 << 10}, {"gtt", -1, 20484 << 10}, {"cpu", -1, 0},
		}}, true},
		{"amdgpu", amdgpu, client{"amdgpu", "0000:0b:00.0", "112", []region{
			{"cpu", 0, 0}, {"gtt", 20488 << 10, 20484 << 10}, {"vram", 90000 << 10, 81212 << 10},
		}}, true},
		{"panfrost", panfrost, client{"panfrost", "", "14", []region{{"memory", 290 << 20, 36496 << 10}}}, true},
		{"eventfd", eventfd, client{}, false},
		{"empty", "", client{}, false},
		{"no client", "drm-driver: x\ndrm-total-vram: 4 KiB\n", client{driver: "x", regions: []region{{"vram", 4096, -1}}}, false},
		{"lines that mean nothing", "drm-driver: x\ndrm-client-id: 1\ndrm-total-vram: many\ndrm-total-vram: 4 GiB\ndrm-total-: 3\ndrm-total\ndrm-resident-a: -1\ndrm-resident-b: 99999999999999999 MiB\n",
			client{driver: "x", id: "1"}, true},
	} {
		got, ok := parseFdinfo(c.text)
		if ok != c.ok || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %t, want %+v, %t", c.name, got, ok, c.want, c.ok)
		}
	}
}

// tree is a file system with these fdinfo files and three GPUs on PCI.
func tree(fdinfo map[string]string) fs.FS {
	files := fstest.MapFS{"proc/self/fdinfo": {Mode: fs.ModeDir | 0o555}}
	put := func(name, text string) { files[name] = &fstest.MapFile{Data: []byte(text)} }
	for fd, text := range fdinfo {
		put("proc/self/fdinfo/"+fd, text)
	}
	for address, ids := range map[string][2]string{
		"0000:00:02.0": {"0x8086", "0x4680"},
		"0000:03:00.0": {"0x8086", "0x56a0"},
		"0000:0b:00.0": {"0x1002", "0x73bf"},
	} {
		put("sys/bus/pci/devices/"+address+"/vendor", ids[0]+"\n")
		put("sys/bus/pci/devices/"+address+"/device", ids[1]+"\n")
	}
	return files
}

func TestFdinfoReading(t *testing.T) {
	uhd := device.Info{Name: "UHD", Type: device.Integrated, VendorID: 0x8086, DeviceID: 0x4680}
	arc := device.Info{Name: "Arc", Type: device.Discrete, VendorID: 0x8086, DeviceID: 0x56a0}
	radeon := device.Info{Name: "Radeon", Type: device.Discrete, VendorID: 0x1002, DeviceID: 0x73bf}
	apu := device.Info{Name: "Radeon", Type: device.Integrated, VendorID: 0x1002, DeviceID: 0x73bf}
	mali := device.Info{Name: "Mali", Type: device.Integrated, VendorID: 0x13b5, DeviceID: 0x74021000}
	uhdText := strings.NewReplacer("0000:03:00.0", "0000:00:02.0", "local0", "system1").Replace(i915)
	allocated := strings.ReplaceAll(i915, "drm-resident-local0", "drm-other-local0")
	for _, c := range []struct {
		name   string
		info   device.Info
		fdinfo map[string]string
		bytes  int64
		text   string // Source, or a part of Reason where bytes is -1
	}{
		{"i915", arc, map[string]string{"0": eventfd, "5": i915}, 262400<<10 + 1024, "DRM fdinfo of i915, resident in local0, stolen-local0"},
		{"allocated alone", arc, map[string]string{"5": allocated}, 300<<20 + 1024, "DRM fdinfo of i915, allocated in local0, stolen-local0"},
		{"one client, three files", arc, map[string]string{"5": i915, "6": i915, "17": i915}, 262400<<10 + 1024, "DRM fdinfo of i915, resident in local0, stolen-local0"},
		{"two clients", arc, map[string]string{"5": xe, "6": strings.Replace(xe, "id:	3", "id:	4", 1)}, 2 * 23992 << 10, "DRM fdinfo of xe, resident in vram0"},
		{"another GPU as well", radeon, map[string]string{"5": xe, "6": amdgpu}, 81212 << 10, "DRM fdinfo of amdgpu, resident in vram"},
		{"old amdgpu", radeon, map[string]string{"6": amdgpuOld}, 81212 << 10, "DRM fdinfo of amdgpu, resident in vram"},
		{"integrated amdgpu", apu, map[string]string{"6": amdgpu}, (81212 + 20484) << 10, "DRM fdinfo of amdgpu, resident in cpu, gtt, vram"},
		{"integrated i915", uhd, map[string]string{"3": uhdText}, 4<<20 + 262400<<10 + 1024, "DRM fdinfo of i915, resident in stolen-system1, system0, system1"},
		{"not on PCI", mali, map[string]string{"3": panfrost, "4": eventfd}, 36496 << 10, "DRM fdinfo of panfrost, resident in memory"},

		{"no memory", uhd, map[string]string{"3": i915Old}, -1, "i915 does not report the memory"},
		{"no memory of its own", radeon, map[string]string{"3": strings.ReplaceAll(amdgpu, "vram", "gtt")}, -1, "amdgpu does not report"},
		{"another GPU alone", radeon, map[string]string{"3": i915}, -1, "no file open on Radeon"},
		{"nothing open", arc, map[string]string{"0": eventfd}, -1, "no file open on Arc"},
		{"no files", arc, nil, -1, "no file open on Arc"},
		{"too much", arc, map[string]string{
			"1": "drm-driver: i915\ndrm-client-id: 1\ndrm-pdev: 0000:03:00.0\ndrm-total-local0: 9000000000000 MiB\n",
			"2": "drm-driver: i915\ndrm-client-id: 2\ndrm-pdev: 0000:03:00.0\ndrm-total-local0: 9000000000000 KiB\n" + "drm-total-local1: 8796093022207 MiB\n",
		}, -1, "more memory"},
	} {
		r := &fdinfoReader{root: tree(c.fdinfo), info: c.info}
		for range 2 { // the second with what the first found out about PCI
			got := r.Read()
			want := Reading{Bytes: c.bytes, OK: true, Source: c.text}
			if c.bytes < 0 {
				want = Reading{Reason: got.Reason}
				if !strings.Contains(got.Reason, c.text) {
					t.Errorf("%s: the reason is %q, want %q in it", c.name, got.Reason, c.text)
				}
			}
			if got != want {
				t.Errorf("%s: %+v, want %+v", c.name, got, want)
			}
		}
	}

	r := &fdinfoReader{root: tree(nil), info: arc, also: "NVML is not there"}
	if got := r.Read(); !strings.HasPrefix(got.Reason, "NVML is not there; ") {
		t.Errorf("the reason %q lacks why there is nothing better", got.Reason)
	}
	r = &fdinfoReader{root: fstest.MapFS{}, info: arc}
	if got := r.Read(); got.OK || !strings.Contains(got.Reason, "no Linux /proc") {
		t.Errorf("without /proc: %+v", got)
	}
}

func FuzzParseFdinfo(f *testing.F) {
	for _, text := range []string{i915, i915Old, xe, amdgpuOld, amdgpu, panfrost, eventfd} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := parseFdinfo(text)
		if ok != (c.driver != "" && c.id != "") {
			t.Fatalf("ok is %t for %+v", ok, c)
		}
		seen := map[string]bool{}
		for _, r := range c.regions {
			if r.name == "" || seen[r.name] || r.total < -1 || r.resident < -1 || r.total == -1 && r.resident == -1 {
				t.Fatalf("region %+v in %+v", r, c)
			}
			seen[r.name] = true
		}
		if !ok {
			return
		}
		for _, discrete := range []bool{true, false} {
			if reading, err := sum([]client{c, c}, discrete); err == nil && (!reading.OK || reading.Bytes < 0 || reading.Source == "") {
				t.Fatalf("reading %+v of %+v", reading, c)
			}
		}
	})
}
