package device

// What tests look at from outside, so that they can use devicetest, which
// imports this package.
var (
	OnePerGPU = onePerGPU
	Within    = within[string]
)
