// mem.max: the maximum memory of an instance, in MiB.

#include <stdlib.h>

#include "mem_max.h" // made from wit/

static const char meter_name[] = "mem.max";
static const double bytes_per_mib = 1024.0 * 1024.0;

// Memory for a result. The bindings free it, and the texts in it, when the runtime has read it:
// texts are duplicates therefore. There is no good answer without memory: abort() ends this poll
// and no other.
static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (!memory)
    abort();
  return memory;
}

void exports_nephoscope_meter_pollster_meters(exports_nephoscope_meter_pollster_list_meter_t *ret) {
  ret->len = 1;
  ret->ptr = allocate(ret->len, sizeof *ret->ptr);
  exports_nephoscope_meter_pollster_meter_t *meter = &ret->ptr[0];
  mem_max_string_dup(&meter->name, meter_name);
  meter->kind = NEPHOSCOPE_METER_TYPES_KIND_GAUGE;
  mem_max_string_dup(&meter->unit, "MiB");
  mem_max_string_dup(&meter->description, "Maximum memory of the instance");
}

bool exports_nephoscope_meter_pollster_poll(exports_nephoscope_meter_pollster_list_sample_t *ret,
                                            exports_nephoscope_meter_pollster_error_t *err) {
  // A reading that is missing is the runtime's to judge: its error is handed on as it is.
  nephoscope_meter_memory_stats_t memory;
  if (!nephoscope_meter_memory_inspect(&memory, err))
    return false;

  // Zeroed: no resource id, which means the instance itself, and no metadata.
  ret->len = 1;
  ret->ptr = allocate(ret->len, sizeof *ret->ptr);
  exports_nephoscope_meter_pollster_sample_t *sample = &ret->ptr[0];
  mem_max_string_dup(&sample->meter, meter_name);
  // A double, so that a maximum of whole KiB keeps its fraction of a MiB.
  sample->volume.tag = NEPHOSCOPE_METER_TYPES_VOLUME_REAL;
  sample->volume.val.real = (double)memory.maximum / bytes_per_mib;
  return true;
}
