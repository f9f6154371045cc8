package cachemodes

// tfjs is the policy of TensorFlow.js (tfjs-backend-webgpu/src): a free list for
// each exact size and usage, last in first out, never trimmed
// (buffer_manager.ts, acquireBuffer and releaseBuffer); a released buffer waits
// until the next submit (backend_webgpu.ts, tensorDataPendingDisposal). The
// engine submits at 15 dispatches, here the recorded submits count.
func tfjs(Params) Policy { return exact{deviceAlign, Uncapped, AtRefresh, AtRefresh} }
