// What a guest in C++ is written with, over the bindings of C that are generated from its world.
//
// A guest defines `meters` and `poll`, and owns nothing by hand: what a host function gives is
// freed by the type that holds it here, and what the guest returns is copied for the runtime by
// pollster.cpp, and freed when it has been read.
//
// Without exceptions and RTTI. Nothing here, nor in the containers, strings and algorithms of the
// standard library, asks for WASI; <iostream> and <format> do.

#pragma once

#include <cstdint>
#include <cstdlib>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

// The header of this guest's world; the Makefile names it.
#include NEPHOSCOPE_BINDINGS

namespace nephoscope {

// ---- What a guest says ----

enum class Kind : std::uint8_t {
  gauge = NEPHOSCOPE_METER_TYPES_KIND_GAUGE,
  delta = NEPHOSCOPE_METER_TYPES_KIND_DELTA,
  cumulative = NEPHOSCOPE_METER_TYPES_KIND_CUMULATIVE,
};

struct Meter {
  std::string_view name;
  Kind kind;
  std::string_view unit;
  std::string_view description;
};

// A counter is an unsigned integer, exact where a double rounds.
using Volume = std::variant<std::uint64_t, std::int64_t, double>;

// std::monostate is null.
using Value = std::variant<std::monostate, std::string, std::int64_t, double, bool>;

struct Metadatum {
  std::string key;
  Value value;
};

struct Sample {
  std::string_view meter;
  Volume volume;
  // Absent: the instance's UUID.
  std::optional<std::string> resource_id = {};
  std::vector<Metadatum> metadata = {};
};

// Why a reading or a poll gave nothing.
struct Error {
  enum class Case : std::uint8_t {
    not_found = NEPHOSCOPE_METER_TYPES_ERROR_NOT_FOUND,
    shut_off = NEPHOSCOPE_METER_TYPES_ERROR_SHUT_OFF,
    unsupported = NEPHOSCOPE_METER_TYPES_ERROR_UNSUPPORTED,
    no_data = NEPHOSCOPE_METER_TYPES_ERROR_NO_DATA,
    permanent = NEPHOSCOPE_METER_TYPES_ERROR_PERMANENT,
    failed = NEPHOSCOPE_METER_TYPES_ERROR_FAILED,
  };
  Case why;
  // Of `permanent` and `failed`.
  std::string text = {};
};

template <typename T> using Result = std::expected<T, Error>;

// ---- What a guest defines ----

// The meters that it emits.
std::vector<Meter> meters();

// Samples of the instance that is being polled.
Result<std::vector<Sample>> poll();

// ---- What a guest reads ----

// A record or list that a host function gave, and what frees it.
template <typename T, auto Free> class Owned {
public:
  explicit Owned(const T &value) : value_(value) {}
  Owned(Owned &&other) noexcept : value_(std::exchange(other.value_, T{})) {}
  Owned &operator=(Owned &&other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Owned() { Free(&value_); }

  const T &operator*() const { return value_; }
  const T *operator->() const { return &value_; }

private:
  T value_;
};

// The bindings' texts and lists have pointer and length; of what is not so, these know nothing.
template <typename Text> std::string_view view(const Text &text) {
  return {reinterpret_cast<const char *>(text.ptr), text.len};
}

template <typename List> auto items(const List &list) { return std::span(list.ptr, list.len); }

// A field that may be absent.
template <typename Option> auto maybe(const Option &option) {
  using Field = std::remove_cvref_t<decltype(option.val)>;
  return option.is_some ? std::optional<Field>(option.val) : std::nullopt;
}

inline void nothing(const void *) {}

// Takes the C++ form of an error, and frees the bindings'.
Error take_error(nephoscope_meter_types_error_t &error);

// Calls an `inspect`. A reading with lists or texts in it needs what frees it:
//
//   auto cpu = read<nephoscope_meter_cpu_stats_free>(nephoscope_meter_cpu_inspect);
template <auto Free = nothing, typename T>
Result<Owned<T, Free>> read(bool (*inspect)(T *, nephoscope_meter_types_error_t *)) {
  T reading;
  nephoscope_meter_types_error_t error;
  if (!inspect(&reading, &error))
    return std::unexpected(take_error(error));
  return Owned<T, Free>(reading);
}

// Takes the C++ form of a text or of bytes, and frees the bindings'.
template <typename Bytes> std::string take(Bytes &given) {
  std::string taken(view(given));
  if (given.len > 0)
    std::free(given.ptr);
  return taken;
}

// A text, by what gives it: text(nephoscope_meter_instance_id).
template <typename Text> std::string text(void (*get)(Text *)) {
  Text given;
  get(&given);
  return take(given);
}

// Bytes for the time of a call, which reads them only.
template <typename Bytes> Bytes lend(std::string_view bytes) {
  return {reinterpret_cast<std::uint8_t *>(const_cast<char *>(bytes.data())), bytes.size()};
}

// What stands under a key: find(nephoscope_meter_settings_get, "key"), or
// nephoscope_meter_state_get.
template <typename Key, typename Bytes>
std::optional<std::string> find(bool (*get)(Key *, Bytes *), std::string_view key) {
  Key name = lend<Key>(key);
  Bytes given;
  if (!get(&name, &given))
    return std::nullopt;
  return take(given);
}

// Stores bytes under a key: store(nephoscope_meter_state_set, "key", bytes). False beyond the
// quota.
template <typename Key, typename Bytes>
bool store(bool (*set)(Key *, Bytes *), std::string_view key, std::string_view bytes) {
  Key name = lend<Key>(key);
  Bytes value = lend<Bytes>(bytes);
  return set(&name, &value);
}

// Tells the operator: log(nephoscope_meter_log_write, NEPHOSCOPE_METER_LOG_LEVEL_WARN, "…").
template <typename Text>
void log(void (*write)(std::uint8_t, Text *), std::uint8_t level, std::string_view message) {
  Text line = lend<Text>(message);
  write(level, &line);
}

} // namespace nephoscope
