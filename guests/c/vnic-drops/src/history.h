// What is remembered between polls: what each vnic had dropped, by the name of its tap.
//
//   direction (1), then for each vnic:  length of the name (1) | name | drops (8, little endian)
//
// What does not read so to the last byte, or was counted in another direction, is as if it were not
// there.

#ifndef HISTORY_H
#define HISTORY_H

#include "text.h"

struct history {
  vnic_drops_list_u8_t before; // as it was stored
  vnic_drops_list_u8_t now;    // as it is recorded; its room was made for all vnics
};

// What the last poll stored, and room for this one's vnics.
struct history history_open(uint8_t direction, const nephoscope_meter_vnics_list_vnic_t *vnics);

// The drops that are known of a vnic from an earlier poll.
bool history_find(const struct history *history, text_t name, uint64_t *drops);

// Records a vnic, once at most.
void history_record(struct history *history, text_t name, uint64_t drops);

// Stores what was recorded, and frees it.
void history_close(struct history *history);

#endif
