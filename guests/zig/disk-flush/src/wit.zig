//! The generated bindings, as Zig would have them: errors are error unions, texts are slices.

const std = @import("std");
const c = @import("bindings");

pub const Meter = c.nephoscope_meter_types_meter_t;
pub const Sample = c.nephoscope_meter_types_sample_t;
pub const Failure = c.nephoscope_meter_types_error_t;
pub const String = c.disk_flush_string_t;
const Entry = c.nephoscope_meter_types_tuple2_string_value_t;

/// malloc and free: the bindings free what is returned to them.
pub const allocator = std.heap.c_allocator;

/// Of no reading the contract's error says why, in a `Failure`.
pub const Error = std.mem.Allocator.Error || error{NoReading};

/// A reading of the host's, or why there is none in `failure`.
pub fn read(
    comptime Reading: type,
    inspect: fn ([*c]Reading, [*c]Failure) callconv(.c) bool,
    failure: *Failure,
) Error!Reading {
    var reading: Reading = undefined;
    if (!inspect(&reading, failure)) return error.NoReading;
    return reading;
}

/// An error after which this instance is never polled again.
pub fn permanent(text: []const u8, failure: *Failure) Error {
    failure.* = .{
        .tag = c.NEPHOSCOPE_METER_TYPES_ERROR_PERMANENT,
        .val = .{ .permanent = try string(&.{text}) },
    };
    return error.NoReading;
}

/// The bytes of a text or a list, which stay whose they are.
pub fn slice(text: anytype) []const u8 {
    return if (text.len == 0) "" else text.ptr[0..text.len];
}

/// A text that the host only reads.
pub fn borrow(text: []const u8) String {
    return .{ .ptr = @constCast(text.ptr), .len = text.len };
}

/// A text that is given away.
pub fn string(parts: []const []const u8) Error!String {
    const text = try std.mem.concat(allocator, u8, parts);
    return .{ .ptr = text.ptr, .len = text.len };
}

/// A counter that libvirt did not report is none, never 0.
pub fn known(option: anytype) ?u64 {
    return if (option.is_some) option.val else null;
}

pub fn meter(name: []const u8, kind: u8, unit: []const u8, description: []const u8) Error!Meter {
    return .{
        .name = try string(&.{name}),
        .kind = kind,
        .unit = try string(&.{unit}),
        .description = try string(&.{description}),
    };
}

/// A sample of a disk.
pub fn sample(name: []const u8, volume: u64, instance: []const u8, disk: []const u8) Error!Sample {
    const metadata = try allocator.alloc(Entry, 1);
    metadata[0] = .{
        .f0 = try string(&.{"disk_name"}),
        .f1 = .{ .tag = c.NEPHOSCOPE_METER_TYPES_VALUE_TEXT, .val = .{ .text = try string(&.{disk}) } },
    };
    return .{
        .meter = try string(&.{name}),
        .volume = .{ .tag = c.NEPHOSCOPE_METER_TYPES_VOLUME_COUNT, .val = .{ .count = volume } },
        .resource_id = .{ .is_some = true, .val = try string(&.{ instance, "-", disk }) },
        .metadata = .{ .ptr = metadata.ptr, .len = metadata.len },
    };
}
