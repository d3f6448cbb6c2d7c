// Package export_nephoscope_meter_pollster is what the generated bindings call: they choose its name.
package export_nephoscope_meter_pollster

import (
	"errors"

	types "bindings/nephoscope_meter_types"
	wit "go.bytecodealliance.org/pkg/wit/types"

	"nephoscope"
)

// Meters gives the runtime the guest's declarations.
func Meters() []types.Meter {
	return nephoscope.Meters
}

// Poll gives the runtime WIT's result for Go's pair.
func Poll() wit.Result[[]types.Sample, types.Error] {
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
