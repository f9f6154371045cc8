//go:build !cgo || !((linux && (amd64 || arm64)) || (darwin && (amd64 || arm64)) || (windows && (amd64 || arm64)))

package device

import "fmt"

// adapterList is empty in a program that cannot talk to WebGPU.
type adapterList struct{ infos []Info }

func listAdapters() (*adapterList, error) {
	return nil, fmt.Errorf("%w: this program was built without cgo and offers the host device alone; "+
		"build it with CGO_ENABLED=1 and a C compiler on Linux, macOS or Windows, amd64 or arm64", ErrNoAdapter)
}

func (*adapterList) open(int) (Device, error) {
	panic("device: there is no adapter to open: expected listAdapters to have failed")
}

func (*adapterList) try(int) error {
	panic("device: there is no adapter to try: expected listAdapters to have failed")
}

func (*adapterList) release() {}
