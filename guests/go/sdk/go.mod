module nephoscope

go 1.25

require (
	bindings v0.0.0
	go.bytecodealliance.org/pkg v0.2.2
)
