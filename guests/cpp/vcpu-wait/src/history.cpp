#include "history.hpp"

#include <bit>
#include <cstring>

namespace {

using Number = std::uint32_t;
using Nanoseconds = std::uint64_t;

constexpr std::size_t entry_size = sizeof(Number) + sizeof(Nanoseconds);

// WebAssembly is little endian: what is copied as it lies in memory is what history.hpp says.
static_assert(std::endian::native == std::endian::little);

template <typename T> T read(std::string_view bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

template <typename T> void append(std::string &bytes, T value) {
  bytes.append(reinterpret_cast<const char *>(&value), sizeof value);
}

} // namespace

History::History(char counted, std::string_view stored) : now_(1, counted) {
  if (stored.starts_with(counted) && (stored.size() - 1) % entry_size == 0)
    before_ = stored.substr(1);
}

std::optional<std::uint64_t> History::before(std::uint32_t number) const {
  for (std::size_t at = 0; at < before_.size(); at += entry_size)
    if (read<Number>(before_, at) == number)
      return read<Nanoseconds>(before_, at + sizeof(Number));
  return std::nullopt;
}

void History::record(std::uint32_t number, std::uint64_t nanoseconds) {
  append(now_, number);
  append(now_, nanoseconds);
}
