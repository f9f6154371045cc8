package driver

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"bucketscope/internal/device"
)

// A file that a process has open on a GPU is a DRM client, and the kernel
// writes what the client uses to /proc/PID/fdinfo/FD:
//
//	drm-driver:             amdgpu
//	drm-pdev:               0000:03:00.0    the GPU; absent where it is not on PCI
//	drm-client-id:          42              one client may have several files
//	drm-total-vram:         16 MiB          asked for
//	drm-resident-vram:      16384 KiB       in place
//	drm-memory-vram:        16384 KiB       the same, as older kernels call it
//
// See "DRM client usage stats" in the kernel's documentation.

// client is what one fdinfo file says.
type client struct {
	driver, gpu, id string
	regions         []region // in the order of the file
}

// region is a client's memory of one kind; -1 is not said.
type region struct {
	name            string
	total, resident int64
}

// parseFdinfo reads the text of an fdinfo file. It is not ok for one that is
// no DRM client's. Lines that it does not understand it skips, as the kernel
// asks of readers.
func parseFdinfo(text string) (c client, ok bool) {
	at := func(name string) *region {
		for n := range c.regions {
			if c.regions[n].name == name {
				return &c.regions[n]
			}
		}
		c.regions = append(c.regions, region{name, -1, -1})
		return &c.regions[len(c.regions)-1]
	}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		key, ours := strings.CutPrefix(key, "drm-")
		if !ours {
			continue
		}
		value = strings.TrimSpace(value)
		switch key {
		case "driver":
			c.driver = value
			continue
		case "pdev":
			c.gpu = value
			continue
		case "client-id":
			c.id = value
			continue
		}
		kind, name, _ := strings.Cut(key, "-")
		if name == "" || strings.HasPrefix(key, "total-cycles-") {
			continue
		}
		switch kind {
		case "total", "resident", "memory":
			bytes, ok := parseSize(value)
			if !ok {
				continue
			}
			if r := at(name); kind == "total" {
				r.total = bytes
			} else {
				r.resident = bytes
			}
		}
	}
	return c, c.driver != "" && c.id != ""
}

// readClients reads the DRM clients of this process, each once. Files that
// close meanwhile are not there.
func readClients(root fs.FS) ([]client, error) {
	files, err := fs.ReadDir(root, "proc/self/fdinfo")
	if err != nil {
		return nil, noProc(err)
	}
	var clients []client
	for _, file := range files {
		text, err := fs.ReadFile(root, "proc/self/fdinfo/"+file.Name())
		if err != nil {
			continue
		}
		c, ok := parseFdinfo(string(text))
		if !ok || slices.ContainsFunc(clients, func(o client) bool { return o.id == c.id && o.gpu == c.gpu && o.driver == c.driver }) {
			continue
		}
		clients = append(clients, c)
	}
	return clients, nil
}

// ownMemory reports whether a region is memory of the GPU itself, by the names
// that the drivers use: vram (amdgpu), vram0 (xe), local0 and stolen-local0
// (i915).
func ownMemory(region string) bool {
	return strings.HasPrefix(strings.TrimPrefix(region, "stolen-"), "local") || strings.HasPrefix(region, "vram")
}

// sum adds up the clients of one GPU. Of a GPU with memory of its own that
// alone counts; a GPU without uses the computer's, whatever the region's name.
// What is resident is preferred to what was asked for.
func sum(clients []client, discrete bool) (Reading, error) {
	var bytes int64
	var names []string
	measure := "resident"
	for _, c := range clients {
		for _, r := range c.regions {
			if discrete && !ownMemory(r.name) {
				continue
			}
			n := r.resident
			if n < 0 {
				n, measure = r.total, "allocated"
			}
			if bytes += n; bytes < 0 {
				return Reading{}, errors.New("the kernel reports more memory than can be counted")
			}
			if !slices.Contains(names, r.name) {
				names = append(names, r.name)
			}
		}
	}
	if len(names) == 0 {
		return Reading{}, fmt.Errorf("the kernel's driver %s does not report the memory of its clients on this GPU; a newer kernel may", clients[0].driver)
	}
	slices.Sort(names)
	return Reading{
		Bytes:  bytes,
		OK:     true,
		Source: fmt.Sprintf("DRM fdinfo of %s, %s in %s", clients[0].driver, measure, strings.Join(names, ", ")),
	}, nil
}

// fdinfoReader reads the DRM clients of this process on one GPU, or on all
// those equal to it, as the PCI ids do not tell them apart.
type fdinfoReader struct {
	root fs.FS
	info device.Info
	also string          // why there is nothing better, for the reason
	is   map[string]bool // by PCI address: whether it is the GPU; lazily made
}

func (r *fdinfoReader) Read() Reading {
	reading, err := r.read()
	switch {
	case err == nil:
		return reading
	case r.also != "":
		return absent("%s; %v", r.also, err)
	}
	return absent("%v", err)
}

func (r *fdinfoReader) read() (Reading, error) {
	clients, err := readClients(r.root)
	if err != nil {
		return Reading{}, err
	}
	mine := make([]client, 0, len(clients))
	for _, c := range clients {
		if c.gpu != "" && r.mine(c.gpu) {
			mine = append(mine, c)
		}
	}
	if len(mine) == 0 {
		// A GPU that is not on PCI, such as that of an Arm board, has no
		// address to compare; there is one of them.
		for _, c := range clients {
			if c.gpu == "" {
				mine = append(mine, c)
			}
		}
	}
	if len(mine) == 0 {
		return Reading{}, fmt.Errorf("this process has no file open on %s that the kernel reports on (/proc/self/fdinfo)", r.info.Name)
	}
	return sum(mine, r.info.Type == device.Discrete)
}

// mine reports whether the GPU at a PCI address has the ids of info.
func (r *fdinfoReader) mine(address string) bool {
	is, known := r.is[address]
	if !known {
		is = fs.ValidPath(address) && isGPU(r.root, "sys/bus/pci/devices/"+address, r.info)
		if r.is == nil {
			r.is = map[string]bool{}
		}
		r.is[address] = is
	}
	return is
}

func (*fdinfoReader) Close() {}
