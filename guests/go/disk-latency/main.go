// How long a disk's requests took on average since the last poll, and how many there were in all.
package main

import (
	"fmt"
	"math/bits"
	"strconv"

	disks "bindings/nephoscope_meter_disks"
	instance "bindings/nephoscope_meter_instance"
	log "bindings/nephoscope_meter_log"
	settings "bindings/nephoscope_meter_settings"
	state "bindings/nephoscope_meter_state"
	_ "bindings/wit_exports"

	"nephoscope"
)

const (
	readMean  = "disk.device.read.latency.mean"
	writeMean = "disk.device.write.latency.mean"
	total     = "disk.device.requests.total"

	stateKey = "disks"
)

func init() {
	nephoscope.Meters = []nephoscope.Meter{
		nephoscope.Gauge(readMean, "ns", "Mean time of a disk's reads since the last poll"),
		nephoscope.Gauge(writeMean, "ns", "Mean time of a disk's writes since the last poll"),
		nephoscope.Cumulative(total, "request", "Reads and writes of a disk"),
	}
	nephoscope.Poll = poll
}

func poll() ([]nephoscope.Sample, error) {
	minimum, err := minimumRequests()
	if err != nil {
		return nil, err
	}
	found, err := nephoscope.Get(disks.Inspect())
	if err != nil {
		return nil, err
	}
	before := parse(state.Get(stateKey).SomeOr(nil))
	var now []disk
	var samples []nephoscope.Sample
	id := instance.Id()
	for _, reading := range found {
		sample := func(meter string, volume nephoscope.Volume) {
			samples = append(samples, nephoscope.Sample{
				Meter:      meter,
				Volume:     volume,
				ResourceId: nephoscope.Resource(id + "-" + reading.Device),
				Metadata:   nephoscope.Metadata{nephoscope.With("disk_name", nephoscope.Text(reading.Device))},
			})
		}
		current := diskOf(reading)
		last := before[current.name]
		if mean, ok := current.reads.meanSince(last.reads, minimum); ok {
			sample(readMean, nephoscope.Real(mean))
		}
		if mean, ok := current.writes.meanSince(last.writes, minimum); ok {
			sample(writeMean, nephoscope.Real(mean))
		}
		if sum, ok := requests(reading); ok {
			sample(total, nephoscope.Count(sum))
		}
		now = append(now, disk{
			name:   current.name,
			reads:  current.reads.or(last.reads),
			writes: current.writes.or(last.writes),
		})
	}
	if !state.Set(stateKey, format(now)) {
		// What is stored is older than this poll: the next means would count some requests twice.
		state.Set(stateKey, nil)
		log.Write(log.LevelWarn, "the state does not fit into limits.state_bytes: no means are reported")
	}
	return samples, nil
}

// minimumRequests is how many requests make a mean that says something.
func minimumRequests() (uint64, error) {
	text, ok := nephoscope.Known(settings.Get("minimum_requests"))
	if !ok {
		return 1, nil
	}
	minimum, err := strconv.ParseUint(text, 10, 64)
	// Of no requests there is no mean.
	if err != nil || minimum == 0 {
		return 0, nephoscope.Permanent(fmt.Sprintf("the setting minimum_requests is a count from 1 on: %q", text))
	}
	return minimum, nil
}

// requests is the sum of a disk's reads and writes, where both are known and it is one.
func requests(reading disks.Disk) (uint64, bool) {
	reads, readsKnown := nephoscope.Known(reading.ReadRequests)
	writes, writesKnown := nephoscope.Known(reading.WriteRequests)
	sum, carry := bits.Add64(reads, writes, 0)
	return sum, readsKnown && writesKnown && carry == 0
}

// A library for the runtime to call: nothing happens here.
func main() {}
