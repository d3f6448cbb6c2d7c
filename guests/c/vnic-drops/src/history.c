#include "history.h"

#include <stdlib.h>
#include <string.h>

static const char key[] = "drops";

enum { NAME_MAX_LEN = UINT8_MAX, COUNT_LEN = sizeof(uint64_t) };

// WebAssembly is little endian: what is copied as it lies in memory is what history.h says.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

// One vnic of what was stored, and where the next begins.
struct entry {
  text_t name;
  uint64_t drops;
  size_t end;
};

static bool read_entry(const vnic_drops_list_u8_t *bytes, size_t at, struct entry *entry) {
  size_t len = bytes->ptr[at];
  if (bytes->len - at < 1 + len + COUNT_LEN)
    return false;
  entry->name = (text_t){.ptr = bytes->ptr + at + 1, .len = len};
  memcpy(&entry->drops, bytes->ptr + at + 1 + len, COUNT_LEN);
  entry->end = at + 1 + len + COUNT_LEN;
  return true;
}

static bool is_whole(const vnic_drops_list_u8_t *bytes) {
  struct entry entry;
  for (size_t at = 1; at < bytes->len; at = entry.end)
    if (!read_entry(bytes, at, &entry))
      return false;
  return true;
}

struct history history_open(uint8_t direction, const nephoscope_meter_vnics_list_vnic_t *vnics) {
  struct history history = {};
  text_t name = literal(key);
  if (!nephoscope_meter_state_get(&name, &history.before))
    history.before = (vnic_drops_list_u8_t){};
  if (history.before.len > 0 &&
      (history.before.ptr[0] != direction || !is_whole(&history.before))) {
    vnic_drops_list_u8_free(&history.before);
    history.before = (vnic_drops_list_u8_t){};
  }

  size_t room = 1;
  for (size_t i = 0; i < vnics->len; i++)
    room += 1 + vnics->ptr[i].name.len + COUNT_LEN;
  history.now = (vnic_drops_list_u8_t){.ptr = allocate(room, 1), .len = 1};
  history.now.ptr[0] = direction;
  return history;
}

bool history_find(const struct history *history, text_t name, uint64_t *drops) {
  struct entry entry;
  for (size_t at = 1; at < history->before.len; at = entry.end) {
    if (!read_entry(&history->before, at, &entry))
      return false;
    if (equal(entry.name, name)) {
      *drops = entry.drops;
      return true;
    }
  }
  return false;
}

void history_record(struct history *history, text_t name, uint64_t drops) {
  // A name that no system has (Linux takes 15 bytes) is not remembered.
  if (name.len > NAME_MAX_LEN)
    return;
  uint8_t *end = history->now.ptr + history->now.len;
  *end++ = (uint8_t)name.len;
  if (name.len > 0)
    memcpy(end, name.ptr, name.len);
  memcpy(end + name.len, &drops, COUNT_LEN);
  history->now.len += 1 + name.len + COUNT_LEN;
}

void history_close(struct history *history) {
  text_t name = literal(key);
  if (!nephoscope_meter_state_set(&name, &history->now)) {
    // Beyond the quota. What is stored is older than this poll: counted from there, the next delta
    // would hold drops twice.
    vnic_drops_list_u8_t nothing = {};
    nephoscope_meter_state_set(&name, &nothing);
    text_t message =
        literal("the limit of state_bytes is too small for the counters of all vnics: no deltas");
    nephoscope_meter_log_write(NEPHOSCOPE_METER_LOG_LEVEL_WARN, &message);
  }
  vnic_drops_list_u8_free(&history->before);
  vnic_drops_list_u8_free(&history->now);
}
