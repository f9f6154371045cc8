//go:build !linux || !cgo || !(amd64 || arm64)

package driver

import (
	"errors"

	"bucketscope/internal/device"
)

// Without cgo there is no WebGPU device to read, and a program that loads a
// library at run time could not be linked statically.
var errNoNVML = errors.New("NVML is read on Linux alone, by a program built with cgo for amd64 or arm64")

func openNVML(device.Info) (Reader, error)   { return nil, errNoNVML }
func nvmlMemory(device.Info) (Memory, error) { return Memory{}, errNoNVML }
func nvmlDriver() string                     { return "" }
