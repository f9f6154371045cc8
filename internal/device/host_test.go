package device_test

import (
	"testing"

	"bucketscope/internal/device"
	"bucketscope/internal/device/devicetest"
)

func TestHost(t *testing.T) {
	devicetest.Run(t, func(*testing.T) device.Device { return device.NewHost() })
}
