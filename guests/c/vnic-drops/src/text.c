#include "text.h"

#include <stdlib.h>
#include <string.h>

void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (!memory && count > 0)
    abort();
  return memory;
}

text_t literal(const char *words) {
  text_t result;
  vnic_drops_string_set(&result, words);
  return result;
}

text_t copy(text_t source) { return join(&source, 1); }

text_t join(const text_t *parts, size_t count) {
  size_t len = 0;
  for (size_t i = 0; i < count; i++)
    len += parts[i].len;
  // The bindings do not free a text without bytes.
  if (len == 0)
    return (text_t){};
  text_t result = {.ptr = allocate(len, 1), .len = len};
  uint8_t *end = result.ptr;
  for (size_t i = 0; i < count; i++) {
    if (parts[i].len > 0)
      memcpy(end, parts[i].ptr, parts[i].len);
    end += parts[i].len;
  }
  return result;
}

bool equal(text_t a, text_t b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
