package cachemodes

import "math/bits"

// candle is the policy of candle on Metal
// (candle-core/src/metal_backend/device.rs): a new buffer is a power of two
// (buf_size), a request takes the smallest unused one that fits, however large
// (find_available_buffer), at once, and drop_unused_buffers sweeps whatever is
// unused each time the device was waited for: here, at run end.
//
// buf_size rounds 2^k+1 down to 2^k; no size that WebGPU allows is one.
type candle struct{}

func candlePow2(Params) Policy { return candle{} }

func (candle) Key(n int64) int64 {
	return max(deviceAlign, int64(1)<<bits.Len64(uint64(n-1)))
}

func (candle) Cap(int64) (int, Reason) { return Uncapped, NoReason }
func (candle) Reuse() When             { return AtOnce }
func (candle) Discard() When           { return AtOnce }

func (candle) Choose(n int64, free *Shelf) BufID { return free.Smallest(n, MaxBytes) }
func (candle) Serves(n, size int64) bool         { return size >= n }

func (candle) Evict(on Occasion, _ int64, _ int, free *Shelf) BufID {
	if on == OnRunEnd {
		return free.Oldest()
	}
	return NoBuf
}
