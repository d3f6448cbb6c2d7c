// Package export_nephoscope_meter_pollster is what the generated bindings call: they choose its name.
package export_nephoscope_meter_pollster

import (
	"errors"
	"fmt"
	"runtime/debug"

	types "bindings/nephoscope_meter_types"
	wit "go.bytecodealliance.org/pkg/wit/types"

	"nephoscope"
)

// Garbage stays: the runtime starts a guest anew before every poll, or every few hundred polls, and each takes some kilobytes. Go's collector
// would ask WASI for the time also while the host has memory allocated for what it passes in, and wait for timers: both end the poll.
func init() {
	debug.SetGCPercent(-1)
}

// Meters gives the runtime the guest's declarations.
func Meters() []types.Meter {
	return nephoscope.Meters
}

// Poll gives the runtime WIT's result for Go's pair.
func Poll() (result wit.Result[[]types.Sample, types.Error]) {
	// What Go would do of a panic needs timers: its text would be lost.
	defer func() {
		if reason := recover(); reason != nil {
			result = wit.Err[[]types.Sample](types.MakeErrorFailed(fmt.Sprint("panic: ", reason)))
		}
	}()
	samples, err := nephoscope.Poll()
	if err == nil {
		return wit.Ok[[]types.Sample, types.Error](samples)
	}
	var reason nephoscope.Error
	if errors.As(err, &reason) {
		return wit.Err[[]types.Sample](reason.Reason)
	}
	return wit.Err[[]types.Sample](types.MakeErrorFailed(err.Error()))
}
