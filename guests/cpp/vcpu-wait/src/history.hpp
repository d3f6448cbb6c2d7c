// What is remembered between polls: how long each processor had waited.
//
// What is counted ('w', or 'd' with the delay), then for each processor 12 bytes: its number and
// its nanoseconds, little endian. What does not read so, or was counted otherwise, is as if it were
// not there.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

class History {
public:
  // What an earlier poll stored.
  History(char counted, std::string_view stored);

  // The nanoseconds that are known of a processor from an earlier poll.
  std::optional<std::uint64_t> before(std::uint32_t number) const;

  void record(std::uint32_t number, std::uint64_t nanoseconds);

  // What to store of what was recorded.
  std::string_view bytes() const { return now_; }

private:
  std::string_view before_;
  std::string now_;
};
