package cachemodes

// deviceAlign is what WebGPU wants every buffer's size to be a multiple of, in
// bytes: the least rounding of engines that round no further.
const deviceAlign = 4

// jsep is the policy of onnxruntime-web before its WebGPU execution provider
// (js/web/lib/wasm/jsep/webgpu/gpu-data-manager.ts): the key:cap table that
// ORT's bucket mode was taken from (bucketFreelist, calcBucketBufferSize);
// release() only notes the buffer, and refreshPendingBuffers() keeps it under
// its cap or destroys it. The engine does the same with uniforms, so a fair
// comparison sets it for both.
func jsep(p Params) Policy { return bucketed{p.Table, AtRefresh} }
