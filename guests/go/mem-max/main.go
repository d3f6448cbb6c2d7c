// mem.max: the maximum memory of an instance, in MiB.
package main

import (
	memory "bindings/nephoscope_meter_memory"
	_ "bindings/wit_exports"

	"nephoscope"
)

const bytesPerMiB = 1024 * 1024

func init() {
	nephoscope.Meters = []nephoscope.Meter{
		nephoscope.Gauge("mem.max", "MiB", "Maximum memory of the instance"),
	}
	nephoscope.Poll = poll
}

func poll() ([]nephoscope.Sample, error) {
	stats, err := nephoscope.Get(memory.Inspect())
	if err != nil {
		return nil, err
	}
	maximum := float64(stats.Maximum) / bytesPerMiB
	return []nephoscope.Sample{{Meter: "mem.max", Volume: nephoscope.Real(maximum)}}, nil
}

// A library for the runtime to call: nothing happens here.
func main() {}
