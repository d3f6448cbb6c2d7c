// network.drops, network.drops.total: the packets of each vnic that were dropped.

#include <stdckdint.h>
#include <stdlib.h>

#include "history.h"
#include "text.h"

typedef nephoscope_meter_types_sample_t sample_t;
typedef nephoscope_meter_types_tuple2_string_value_t metadatum_t;
typedef nephoscope_meter_vnics_vnic_t vnic_t;
typedef vnic_drops_option_u64_t counter_t;

static const char since_last[] = "network.drops";
static const char total[] = "network.drops.total";

enum { SAMPLES_OF_VNIC = 2 };

// The setting `direction`, as it is written and as the history tells it from the others.
enum direction { BOTH = 'b', INCOMING = 'i', OUTGOING = 'o' };

static const struct {
  const char *word;
  enum direction direction;
} directions[] = {{"both", BOTH}, {"incoming", INCOMING}, {"outgoing", OUTGOING}};

static bool read_direction(enum direction *result) {
  *result = BOTH;
  text_t key = literal("direction"), word;
  if (!nephoscope_meter_settings_get(&key, &word))
    return true;
  bool known = false;
  for (size_t i = 0; i < sizeof directions / sizeof *directions && !known; i++) {
    known = equal(word, literal(directions[i].word));
    if (known)
      *result = directions[i].direction;
  }
  vnic_drops_string_free(&word);
  return known;
}

// The drops of a vnic; absent where a counter of them is, or where their sum has no place.
static counter_t drops_of(const vnic_t *vnic, enum direction direction) {
  const counter_t *rx = &vnic->rx_drop, *tx = &vnic->tx_drop;
  if (direction == INCOMING)
    return *rx;
  if (direction == OUTGOING)
    return *tx;
  counter_t both = {};
  both.is_some = rx->is_some && tx->is_some && !ckd_add(&both.val, rx->val, tx->val);
  return both;
}

// The vnic's network filter where it has one, else <domain>-<uuid>-<tap>: Ceilometer's.
static text_t resource_of(const vnic_t *vnic, text_t domain, text_t id) {
  if (vnic->filterref.is_some)
    return copy(vnic->filterref.val);
  const text_t parts[] = {domain, literal("-"), id, literal("-"), vnic->name};
  return join(parts, sizeof parts / sizeof *parts);
}

static metadatum_t entry(const char *key, text_t value) {
  metadatum_t result = {.f0 = copy(literal(key))};
  result.f1.tag = NEPHOSCOPE_METER_TYPES_VALUE_TEXT;
  result.f1.val.text = copy(value);
  return result;
}

static metadatum_t optional_entry(const char *key, const vnic_drops_option_string_t *value) {
  if (value->is_some)
    return entry(key, value->val);
  return (metadatum_t){.f0 = copy(literal(key)), .f1.tag = NEPHOSCOPE_METER_TYPES_VALUE_NULL};
}

static sample_t sample_of(const char *meter, uint64_t count, const vnic_t *vnic, text_t resource) {
  const metadatum_t metadata[] = {
      entry("name", vnic->name),
      entry("mac", vnic->mac),
      optional_entry("fref", &vnic->filterref),
      entry("vnic_name", vnic->filterref.is_some ? vnic->filterref.val : vnic->name),
      optional_entry("parameters.interfaceid", &vnic->interface_id),
      optional_entry("parameters.bridge", &vnic->bridge),
  };
  sample_t result = {.meter = copy(literal(meter))};
  result.volume.tag = NEPHOSCOPE_METER_TYPES_VOLUME_COUNT;
  result.volume.val.count = count;
  result.resource_id = (vnic_drops_option_string_t){.is_some = true, .val = copy(resource)};
  result.metadata.len = sizeof metadata / sizeof *metadata;
  result.metadata.ptr = allocate(result.metadata.len, sizeof *metadata);
  for (size_t i = 0; i < result.metadata.len; i++)
    result.metadata.ptr[i] = metadata[i];
  return result;
}

// Appends a vnic's samples. The list has room for them.
static void poll_vnic(const vnic_t *vnic, enum direction direction, text_t resource,
                      struct history *history,
                      exports_nephoscope_meter_pollster_list_sample_t *samples) {
  uint64_t before;
  bool has_before = history_find(history, vnic->name, &before);
  counter_t now = drops_of(vnic, direction);
  if (!now.is_some) {
    // Missing once: the next delta counts from the last reading that there was.
    if (has_before)
      history_record(history, vnic->name, before);
    return;
  }
  // A counter that went back began anew, and what it lost nobody knows: no delta.
  if (has_before && now.val >= before)
    samples->ptr[samples->len++] = sample_of(since_last, now.val - before, vnic, resource);
  samples->ptr[samples->len++] = sample_of(total, now.val, vnic, resource);
  history_record(history, vnic->name, now.val);
}

static void declare(exports_nephoscope_meter_pollster_meter_t *meter, const char *name,
                    nephoscope_meter_types_kind_t kind, const char *description) {
  meter->name = copy(literal(name));
  meter->kind = kind;
  meter->unit = copy(literal("packet"));
  meter->description = copy(literal(description));
}

void exports_nephoscope_meter_pollster_meters(exports_nephoscope_meter_pollster_list_meter_t *ret) {
  ret->len = 2;
  ret->ptr = allocate(ret->len, sizeof *ret->ptr);
  declare(&ret->ptr[0], since_last, NEPHOSCOPE_METER_TYPES_KIND_DELTA,
          "Packets of a vnic that were dropped since the last sample");
  declare(&ret->ptr[1], total, NEPHOSCOPE_METER_TYPES_KIND_CUMULATIVE,
          "Packets of a vnic that were dropped");
}

bool exports_nephoscope_meter_pollster_poll(exports_nephoscope_meter_pollster_list_sample_t *ret,
                                            exports_nephoscope_meter_pollster_error_t *err) {
  enum direction direction;
  if (!read_direction(&direction)) {
    err->tag = NEPHOSCOPE_METER_TYPES_ERROR_PERMANENT;
    err->val.permanent = copy(literal("the setting direction is both, incoming or outgoing"));
    return false;
  }
  // A reading that is missing is the runtime's to judge: its error is handed on as it is.
  nephoscope_meter_vnics_list_vnic_t vnics;
  if (!nephoscope_meter_vnics_inspect(&vnics, err))
    return false;

  text_t id, domain;
  nephoscope_meter_instance_id(&id);
  nephoscope_meter_instance_name(&domain);
  struct history history = history_open((uint8_t)direction, &vnics);
  ret->len = 0;
  ret->ptr = allocate(vnics.len * SAMPLES_OF_VNIC, sizeof *ret->ptr);
  for (size_t i = 0; i < vnics.len; i++) {
    text_t resource = resource_of(&vnics.ptr[i], domain, id);
    poll_vnic(&vnics.ptr[i], direction, resource, &history, ret);
    vnic_drops_string_free(&resource);
  }
  // A list without items is not freed by who reads it.
  if (ret->len == 0)
    free(ret->ptr);
  history_close(&history);
  vnic_drops_string_free(&domain);
  vnic_drops_string_free(&id);
  nephoscope_meter_vnics_list_vnic_free(&vnics);
  return true;
}
