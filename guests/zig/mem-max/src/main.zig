//! `mem.max`: the maximum memory of an instance, in MiB.

const std = @import("std");
const c = @import("bindings");

const String = @FieldType(c.nephoscope_meter_types_meter_t, "name");
const Meter = c.nephoscope_meter_types_meter_t;
const Sample = c.nephoscope_meter_types_sample_t;
const Failure = c.nephoscope_meter_types_error_t;

/// A trap, which ends the poll, and no text of it: nobody could read it, and it would be the greater part of the component.
pub const panic = std.debug.no_panic;

const bytes_per_mib = 1024 * 1024;

/// malloc and free: the bindings free what these functions return.
const allocator = std.heap.c_allocator;

const Error = std.mem.Allocator.Error || error{NoReading};

fn poll(failure: *Failure) Error![]Sample {
    const memory = try read(c.nephoscope_meter_memory_stats_t, c.nephoscope_meter_memory_inspect, failure);
    const maximum: f64 = @floatFromInt(memory.maximum);
    const samples = try allocator.alloc(Sample, 1);
    samples[0] = .{
        .meter = try string("mem.max"),
        .volume = .{ .tag = c.NEPHOSCOPE_METER_TYPES_VOLUME_REAL, .val = .{ .real = maximum / bytes_per_mib } },
        .resource_id = .{ .is_some = false },
        .metadata = .{ .ptr = null, .len = 0 },
    };
    return samples;
}

/// A reading of the host's, or the error that it gave instead and why in `failure`.
fn read(comptime Reading: type, inspect: fn ([*c]Reading, [*c]Failure) callconv(.c) bool, failure: *Failure) Error!Reading {
    var reading: Reading = undefined;
    if (!inspect(&reading, failure)) return error.NoReading;
    return reading;
}

fn string(text: []const u8) Error!String {
    return .{ .ptr = (try allocator.dupe(u8, text)).ptr, .len = text.len };
}

export fn exports_nephoscope_meter_pollster_meters(ret: *c.exports_nephoscope_meter_pollster_list_meter_t) void {
    const meters = declare() catch @panic("out of memory");
    ret.* = .{ .ptr = meters.ptr, .len = meters.len };
}

fn declare() Error![]Meter {
    const meters = try allocator.alloc(Meter, 1);
    meters[0] = .{
        .name = try string("mem.max"),
        .kind = c.NEPHOSCOPE_METER_TYPES_KIND_GAUGE,
        .unit = try string("MiB"),
        .description = try string("Maximum memory of the instance"),
    };
    return meters;
}

export fn exports_nephoscope_meter_pollster_poll(
    ret: *c.exports_nephoscope_meter_pollster_list_sample_t,
    failure: *Failure,
) bool {
    const samples = poll(failure) catch |err| switch (err) {
        error.NoReading => return false,
        error.OutOfMemory => @panic("out of memory"),
    };
    ret.* = .{ .ptr = samples.ptr, .len = samples.len };
    return true;
}
