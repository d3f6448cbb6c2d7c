package main

import (
	"encoding/binary"

	disks "bindings/nephoscope_meter_disks"

	"nephoscope"
)

// counters are a disk's of one direction.
type counters struct {
	known    bool
	requests uint64
	// time is in nanoseconds, and passes 2^53 within days on a busy disk.
	time uint64
}

// disk is what is remembered of one until the next poll.
type disk struct {
	name          string
	reads, writes counters
}

func diskOf(reading disks.Disk) disk {
	return disk{
		name:   reading.Device,
		reads:  countersOf(reading.ReadRequests, reading.ReadTime),
		writes: countersOf(reading.WriteRequests, reading.WriteTime),
	}
}

func countersOf(requests, time nephoscope.Option[uint64]) counters {
	if requests.IsNone() || time.IsNone() {
		return counters{}
	}
	return counters{known: true, requests: requests.Some(), time: time.Some()}
}

// or is what to remember: the last reading where this poll had none, so that the next mean spans both.
func (now counters) or(last counters) counters {
	if now.known {
		return now
	}
	return last
}

// meanSince is the time of one request. There is none of fewer requests than the minimum, nor where a counter went backwards:
// then the instance has started again.
func (now counters) meanSince(last counters, minimum uint64) (mean float64, ok bool) {
	if !now.known || !last.known || now.requests < last.requests || now.time < last.time {
		return 0, false
	}
	requests := now.requests - last.requests
	if requests < minimum {
		return 0, false
	}
	return float64(now.time-last.time) / float64(requests), true
}

// version is the first byte of a state, and another where what follows it is.
const version = 1

// format writes disks for the state, of none nothing: the version, then of each the length of its name, its name, and the counters of both directions, each of which
// begins with 1 where it is known, and is 0 where not. All numbers are varints.
func format(disks []disk) []byte {
	if len(disks) == 0 {
		return nil
	}
	bytes := []byte{version}
	for _, disk := range disks {
		bytes = binary.AppendUvarint(bytes, uint64(len(disk.name)))
		bytes = append(bytes, disk.name...)
		bytes = disk.reads.append(bytes)
		bytes = disk.writes.append(bytes)
	}
	return bytes
}

func (now counters) append(bytes []byte) []byte {
	if !now.known {
		return append(bytes, 0)
	}
	bytes = append(bytes, 1)
	bytes = binary.AppendUvarint(bytes, now.requests)
	return binary.AppendUvarint(bytes, now.time)
}

// parse reads what format wrote, by the disks' names. What does not read so is as if it were not there: an older guest may have
// stored it.
func parse(bytes []byte) map[string]disk {
	if len(bytes) == 0 || bytes[0] != version {
		return nil
	}
	disks := make(map[string]disk)
	text := reader{bytes: bytes[1:]}
	for len(text.bytes) > 0 {
		disk := disk{name: text.name(), reads: text.counters(), writes: text.counters()}
		if text.damaged {
			return nil
		}
		disks[disk.name] = disk
	}
	return disks
}

// reader takes a state apart from its front.
type reader struct {
	bytes   []byte
	damaged bool
}

func (r *reader) number() uint64 {
	number, size := binary.Uvarint(r.bytes)
	if size <= 0 {
		r.bytes, r.damaged = nil, true
		return 0
	}
	r.bytes = r.bytes[size:]
	return number
}

func (r *reader) name() string {
	length := r.number()
	if length > uint64(len(r.bytes)) {
		r.bytes, r.damaged = nil, true
		return ""
	}
	name := string(r.bytes[:length])
	r.bytes = r.bytes[length:]
	return name
}

func (r *reader) counters() counters {
	switch r.number() {
	case 0:
		return counters{}
	case 1:
		return counters{known: true, requests: r.number(), time: r.number()}
	default:
		r.bytes, r.damaged = nil, true
		return counters{}
	}
}
