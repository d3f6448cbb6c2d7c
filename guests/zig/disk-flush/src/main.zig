//! What the flushes of each disk took since the last poll, and how many there were in all.

const std = @import("std");
const c = @import("bindings");
const history = @import("history.zig");
const wit = @import("wit.zig");

const allocator = wit.allocator;

const flush_time = "disk.device.flush.time";
const flush_requests = "disk.device.flush.requests";
const state_key = "flush.time";

/// A trap, which ends the poll, and no text of it: nobody could read it, and it would be the greater part of the component.
pub const panic = std.debug.no_panic;

fn poll(failure: *wit.Failure) wit.Error![]wit.Sample {
    var disks = try wit.read(c.nephoscope_meter_disks_list_disk_t, c.nephoscope_meter_disks_inspect, failure);
    defer c.nephoscope_meter_disks_list_disk_free(&disks);

    var instance: wit.String = undefined;
    c.nephoscope_meter_instance_id(&instance);
    defer c.disk_flush_string_free(&instance);
    const id = wit.slice(instance);

    var devices_key = wit.borrow("devices");
    var devices: wit.String = undefined;
    const picks = c.nephoscope_meter_settings_get(&devices_key, &devices);
    defer if (picks) c.disk_flush_string_free(&devices);
    if (picks and isEmpty(wit.slice(devices))) return wit.permanent("the setting devices is a list of targets, and empty", failure);

    var key = wit.borrow(state_key);
    var stored: c.disk_flush_list_u8_t = undefined;
    const remembers = c.nephoscope_meter_state_get(&key, &stored);
    defer if (remembers) c.disk_flush_list_u8_free(&stored);
    const before = history.entries(if (remembers) wit.slice(stored) else "");

    var samples: std.ArrayList(wit.Sample) = .empty;
    var now: std.ArrayList(u8) = .empty;
    defer now.deinit(allocator);
    for (disks.ptr[0..disks.len]) |disk| {
        const device = wit.slice(disk.device);
        if (picks and !isListed(device, wit.slice(devices))) continue;
        const last = history.find(before, device);
        if (wit.known(disk.flush_time)) |time| {
            // A counter that went backwards began anew with the instance.
            if (last) |earlier| if (time >= earlier) {
                try samples.append(allocator, try wit.sample(flush_time, time - earlier, id, device));
            };
            try history.add(&now, allocator, device, time);
        } else if (last) |earlier| {
            // Missing once: the next change is since the last reading that there was.
            try history.add(&now, allocator, device, earlier);
        }
        if (wit.known(disk.flush_requests)) |requests| {
            try samples.append(allocator, try wit.sample(flush_requests, requests, id, device));
        }
    }
    var value: c.disk_flush_list_u8_t = .{ .ptr = now.items.ptr, .len = now.items.len };
    if (!c.nephoscope_meter_state_set(&key, &value)) {
        // What is stored is older than this poll: counted from there, the next change would hold time twice.
        var nothing: c.disk_flush_list_u8_t = .{ .ptr = null, .len = 0 };
        _ = c.nephoscope_meter_state_set(&key, &nothing);
        var message = wit.borrow("the state does not fit into limits.state_bytes: no changes are reported");
        c.nephoscope_meter_log_write(c.NEPHOSCOPE_METER_LOG_LEVEL_WARN, &message);
    }
    return samples.toOwnedSlice(allocator);
}

/// Whether a list such as "vda, vdb" has this device.
fn isListed(device: []const u8, list: []const u8) bool {
    var names = std.mem.tokenizeAny(u8, list, ", ");
    while (names.next()) |name| if (std.mem.eql(u8, name, device)) return true;
    return false;
}

fn isEmpty(list: []const u8) bool {
    var names = std.mem.tokenizeAny(u8, list, ", ");
    return names.next() == null;
}

fn declare() wit.Error![]wit.Meter {
    return allocator.dupe(wit.Meter, &.{
        try wit.meter(flush_time, c.NEPHOSCOPE_METER_TYPES_KIND_DELTA, "ns", "Time of a disk's flushes since the last poll"),
        try wit.meter(flush_requests, c.NEPHOSCOPE_METER_TYPES_KIND_CUMULATIVE, "request", "Flushes of a disk"),
    });
}

export fn exports_nephoscope_meter_pollster_meters(ret: *c.exports_nephoscope_meter_pollster_list_meter_t) void {
    const meters = declare() catch @panic("out of memory");
    ret.* = .{ .ptr = meters.ptr, .len = meters.len };
}

export fn exports_nephoscope_meter_pollster_poll(
    ret: *c.exports_nephoscope_meter_pollster_list_sample_t,
    failure: *wit.Failure,
) bool {
    const samples = poll(failure) catch |err| switch (err) {
        error.NoReading => return false,
        error.OutOfMemory => @panic("out of memory"),
    };
    ret.* = .{ .ptr = samples.ptr, .len = samples.len };
    return true;
}
