// What the standard library would print words for, and import WASI to do so: a fault that nobody
// can mend. It ends the poll, and no other.

#include <cstdlib>
#include <new>
#include <string> // declares the hook below

void *operator new(std::size_t size) {
  if (void *memory = std::malloc(size > 0 ? size : 1))
    return memory;
  std::abort();
}

void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }

// libc++'s own hook, for a program to replace. Releases differ in whether it is noexcept.
void std::__libcpp_verbose_abort(const char *,
                                 ...) noexcept(noexcept(std::__libcpp_verbose_abort(""))) {
  std::abort();
}
