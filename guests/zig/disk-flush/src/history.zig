//! What is remembered of disks between polls: the time that their flushes took. For each disk the length of its name (1 byte), its
//! name, and the nanoseconds (8 bytes, little endian).

const std = @import("std");

const Bytes = std.ArrayList(u8);

/// A disk's time in what an earlier poll has stored. Null where it is not there, and behind what does not read.
pub fn find(stored: []const u8, device: []const u8) ?u64 {
    var rest = stored;
    while (rest.len > 0) {
        const length: usize = rest[0];
        if (rest.len < 1 + length + 8) return null;
        const time = rest[1 + length ..][0..8];
        if (std.mem.eql(u8, rest[1..][0..length], device)) return std.mem.readInt(u64, time, .little);
        rest = rest[1 + length + 8 ..];
    }
    return null;
}

/// Adds a disk to what is going to be stored. A longer name than any system has is not remembered.
pub fn add(bytes: *Bytes, allocator: std.mem.Allocator, device: []const u8, time: u64) !void {
    const length = std.math.cast(u8, device.len) orelse return;
    try bytes.append(allocator, length);
    try bytes.appendSlice(allocator, device);
    try bytes.appendSlice(allocator, &std.mem.toBytes(std.mem.nativeToLittle(u64, time)));
}
