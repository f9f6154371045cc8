package driver

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"

	"bucketscope/internal/device"
)

// residentReader reads how much of this process is in memory. Its root is that
// of the file system, as for all readers.
type residentReader struct{ root fs.FS }

func (r residentReader) Read() Reading {
	text, err := fs.ReadFile(r.root, "proc/self/statm")
	if err != nil {
		return absent("the resident memory of this process is not known: %v", noProc(err))
	}
	bytes, err := parseStatm(string(text), int64(os.Getpagesize()))
	if err != nil {
		return absent("%v", err)
	}
	return Reading{Bytes: bytes, OK: true, Source: "process resident memory"}
}

func (residentReader) Close() {}

// noProc words the error of a missing /proc file.
func noProc(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("this system has no Linux /proc")
	}
	return err
}

// parseStatm is the resident memory of /proc/PID/statm, whose second number
// counts pages.
func parseStatm(text string, page int64) (int64, error) {
	fields := strings.Fields(text)
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm reads %q, want at least two numbers", text)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil || pages < 0 || pages > math.MaxInt64/page {
		return 0, fmt.Errorf("/proc/self/statm reads %q, want a number of pages as its second", text)
	}
	return pages * page, nil
}

// systemMemory is the memory of the computer, or of the control group that
// this process is confined to where that has less.
func systemMemory(root fs.FS) (Memory, error) {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return Memory{}, fmt.Errorf("the memory of this computer is not known: %w", noProc(err))
	}
	m, err := parseMeminfo(string(text))
	if err != nil {
		return Memory{}, err
	}
	m.Source = "/proc/meminfo"
	for _, group := range groups(root) {
		limit, left, ok := groupMemory(root, group)
		if !ok || limit >= m.Total && left >= m.Available {
			continue
		}
		m.Total, m.Available = min(m.Total, limit), min(m.Available, left)
		m.Source = "cgroup memory.max"
	}
	return m, nil
}

// parseMeminfo reads the two lines of /proc/meminfo that count.
func parseMeminfo(text string) (Memory, error) {
	m := Memory{Total: -1, Available: -1}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		to := &m.Total
		switch key {
		case "MemTotal":
		case "MemAvailable":
			to = &m.Available
		default:
			continue
		}
		n, ok := parseSize(value)
		if !ok {
			return Memory{}, fmt.Errorf("/proc/meminfo has the line %q, want a number of kB", strings.TrimSpace(line))
		}
		*to = n
	}
	if m.Total < 0 || m.Available < 0 {
		return Memory{}, errors.New("/proc/meminfo lacks MemTotal or MemAvailable (Linux before 3.14)")
	}
	return m, nil
}

// parseSize reads "12", "12 kB", "12 KiB" or "12 MiB", the kernel's ways to
// write a number of bytes; its kB is a KiB.
func parseSize(text string) (bytes int64, ok bool) {
	fields := strings.Fields(text)
	unit := int64(1)
	if len(fields) == 2 {
		switch fields[1] {
		case "kB", "KiB":
			unit = 1 << 10
		case "MiB":
			unit = 1 << 20
		default:
			return 0, false
		}
	} else if len(fields) != 1 {
		return 0, false
	}
	n, err := strconv.ParseUint(fields[0], 10, 63)
	if err != nil || int64(n) > math.MaxInt64/unit {
		return 0, false
	}
	return int64(n) * unit, true
}

// groups are the directories below /sys/fs/cgroup of the control group (v2)
// of this process and of all that contain it: a limit of any of them holds.
func groups(root fs.FS) []string {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		group, v2 := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::")
		if !v2 {
			continue
		}
		// Clean, as the path of a group outside the own namespace has "..".
		var all []string
		for group = path.Clean("/" + group); ; group = path.Dir(group) {
			all = append(all, path.Join("sys/fs/cgroup", group))
			if group == "/" {
				return all
			}
		}
	}
	return nil
}

// groupMemory is a group's limit and how much of it is left: not in use, or in
// use for file contents that the kernel drops when memory is short. It is not
// ok for a group without a limit.
func groupMemory(root fs.FS, group string) (limit, left int64, ok bool) {
	limit, ok = readNumber(root, path.Join(group, "memory.max"))
	if !ok {
		return 0, 0, false
	}
	used, ok := readNumber(root, path.Join(group, "memory.current"))
	if !ok {
		return 0, 0, false
	}
	if stat, err := fs.ReadFile(root, path.Join(group, "memory.stat")); err == nil {
		for line := range strings.Lines(string(stat)) {
			if n, found := strings.CutPrefix(line, "inactive_file "); found {
				if dropped, ok := parseSize(n); ok {
					used -= dropped
				}
			}
		}
	}
	return limit, max(0, limit-max(0, used)), true
}

// readNumber reads a file that holds a number from 0 on; a limit that is "max"
// is none.
func readNumber(root fs.FS, name string) (int64, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	return parseSize(string(text))
}

// amdgpuMemory is the video memory of an AMD GPU with memory of its own.
func amdgpuMemory(root fs.FS, info device.Info) (Memory, error) {
	cards, err := fs.Glob(root, "sys/class/drm/card*/device/mem_info_vram_total")
	if err != nil {
		panic(fmt.Sprintf("driver: the pattern of amdgpu's files: %v, expected a good one", err))
	}
	var found *Memory
	for _, card := range cards {
		dir := path.Dir(card)
		total, ok := readNumber(root, card)
		used, usedOK := readNumber(root, path.Join(dir, "mem_info_vram_used"))
		if !ok || !usedOK || !isGPU(root, dir, info) {
			continue
		}
		// Which of several equal GPUs is meant is not known: the fullest one
		// promises nothing that another would not keep.
		if left := max(0, total-used); found == nil || left < found.Available {
			found = &Memory{Total: total, Available: left, Source: "amdgpu mem_info_vram"}
		}
	}
	if found == nil {
		return Memory{}, fmt.Errorf("no GPU under /sys/class/drm is an amdgpu with the PCI id %04x:%04x", info.VendorID, info.DeviceID)
	}
	return *found, nil
}

// isGPU reports whether the PCI device with that directory has the ids of info.
func isGPU(root fs.FS, dir string, info device.Info) bool {
	id := func(name string) uint32 {
		text, err := fs.ReadFile(root, path.Join(dir, name))
		if err != nil {
			return 0
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 0, 32)
		if err != nil {
			return 0
		}
		return uint32(n)
	}
	return sameGPU(info, id("vendor"), id("device"))
}
