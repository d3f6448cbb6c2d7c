module disk-latency

go 1.25

require (
	bindings v0.0.0
	nephoscope v0.0.0
)

require go.bytecodealliance.org/pkg v0.2.2 // indirect

replace (
	bindings => ./build/bindings
	go.bytecodealliance.org/pkg => ./build/bindings/pkg
	nephoscope => ./sdk
)
