// Texts and memory, as the bindings have them.

#ifndef TEXT_H
#define TEXT_H

#include "vnic_drops.h" // made from wit/

typedef vnic_drops_string_t text_t;

// Zeroed memory. There is no good answer without it: this ends the poll, and no other.
void *allocate(size_t count, size_t size);

// A text that lasts and is never freed: for the arguments of host functions, not for results.
text_t literal(const char *words);

// A text of its own, which its receiver frees, as the bindings do with results.
text_t copy(text_t source);
text_t join(const text_t *parts, size_t count);

bool equal(text_t a, text_t b);

#endif
