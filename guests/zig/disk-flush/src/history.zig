//! What is remembered of disks between polls: the time that their flushes took. A version (1 byte), then for each disk the length of its name (1 byte), its
//! name, and the nanoseconds (8 bytes, little endian).

const std = @import("std");

const version = 1;

const Bytes = std.ArrayList(u8);

/// The entries of what an earlier poll has stored: none where it does not read so to the last byte.
pub fn entries(stored: []const u8) []const u8 {
    if (stored.len == 0 or stored[0] != version) return "";
    var rest = stored[1..];
    while (rest.len > 0) {
        const size = 1 + @as(usize, rest[0]) + 8;
        if (rest.len < size) return "";
        rest = rest[size..];
    }
    return stored[1..];
}

/// A disk's time among the entries.
pub fn find(stored: []const u8, device: []const u8) ?u64 {
    var rest = stored;
    while (rest.len > 0) {
        const length: usize = rest[0];
        const time = rest[1 + length ..][0..8];
        if (std.mem.eql(u8, rest[1..][0..length], device)) return std.mem.readInt(u64, time, .little);
        rest = rest[1 + length + 8 ..];
    }
    return null;
}

/// Adds a disk to what is going to be stored. A longer name than any system has is not remembered.
pub fn add(bytes: *Bytes, allocator: std.mem.Allocator, device: []const u8, time: u64) !void {
    const length = std.math.cast(u8, device.len) orelse return;
    if (bytes.items.len == 0) try bytes.append(allocator, version);
    try bytes.append(allocator, length);
    try bytes.appendSlice(allocator, device);
    try bytes.appendSlice(allocator, &std.mem.toBytes(std.mem.nativeToLittle(u64, time)));
}
