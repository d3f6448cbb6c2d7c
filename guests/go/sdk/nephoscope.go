// Package nephoscope makes pollsters read as Go does: errors as second values, short names for what samples are made of.
//
//	func init() {
//		nephoscope.Meters = []nephoscope.Meter{nephoscope.Gauge("mem.max", "MiB", "Maximum memory of the instance")}
//		nephoscope.Poll = poll
//	}
//
// A guest imports this package, "bindings/wit_exports" for its exports, and those of the packages "bindings/nephoscope_meter_…"
// that it reads.
package nephoscope

import (
	types "bindings/nephoscope_meter_types"
	wit "go.bytecodealliance.org/pkg/wit/types"
)

// The contract's types, which its text in wit/deps documents.
type (
	Meter    = types.Meter
	Sample   = types.Sample
	Volume   = types.Volume
	Value    = types.Value
	Metadata = []wit.Tuple2[string, Value]
)

// Option is a field that may be missing; see [Known].
type Option[T any] = wit.Option[T]

// The guest, set in an init function.
var (
	// Meters are the declarations.
	Meters []Meter
	// Poll makes samples of the instance that is being polled. Readings can be had inside of it only.
	Poll func() ([]Sample, error)
)

// Gauge declares a meter of values that rise and fall.
func Gauge(name, unit, description string) Meter {
	return Meter{Name: name, Kind: types.KindGauge, Unit: unit, Description: description}
}

// Delta declares a meter of changes since the previous sample.
func Delta(name, unit, description string) Meter {
	return Meter{Name: name, Kind: types.KindDelta, Unit: unit, Description: description}
}

// Cumulative declares a meter of a counter that grows until the instance starts again.
func Cumulative(name, unit, description string) Meter {
	return Meter{Name: name, Kind: types.KindCumulative, Unit: unit, Description: description}
}

// Count is an exact volume: what a counter has.
func Count(volume uint64) Volume { return types.MakeVolumeCount(volume) }

// Signed is an exact volume that may be negative.
func Signed(volume int64) Volume { return types.MakeVolumeSigned(volume) }

// Real is a finite double.
func Real(volume float64) Volume { return types.MakeVolumeReal(volume) }

// Resource is the id of a part of the instance. It contains the instance's UUID, or is a vnic's filterref.
func Resource(id string) Option[string] { return wit.Some(id) }

// With is one entry of a sample's metadata.
func With(key string, value Value) wit.Tuple2[string, Value] {
	return wit.Tuple2[string, Value]{F0: key, F1: value}
}

// Text is a value of metadata.
func Text(value string) Value { return types.MakeValueText(value) }

// Integer is a value of metadata.
func Integer(value int64) Value { return types.MakeValueInteger(value) }

// Flag is a value of metadata.
func Flag(value bool) Value { return types.MakeValueFlag(value) }

// Get turns what a reading gave into Go's pair. To return its error from Poll is the right thing to do: the runtime skips the
// instance, or reports it where something is wrong.
func Get[T any](result wit.Result[T, types.Error]) (value T, err error) {
	if result.IsErr() {
		return value, Error{result.Err()}
	}
	return result.Ok(), nil
}

// Known is an optional field in the form of a map's: a counter that libvirt did not report is not 0.
func Known[T any](option Option[T]) (value T, ok bool) {
	return option.SomeOr(value), option.IsSome()
}
