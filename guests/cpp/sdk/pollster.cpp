// The two functions that the runtime calls: what the guest returns, in the forms of the bindings,
// which free it when it has been read.

#include "nephoscope.hpp"

#include <cstdlib>
#include <cstring>

namespace nephoscope {

using Text = decltype(nephoscope_meter_types_meter_t::name);

// An overload for each case of a variant.
template <typename... Cases> struct Match : Cases... {
  using Cases::operator()...;
};

template <typename T> static T *allocate(std::size_t count) {
  void *memory = std::calloc(count, sizeof(T));
  if (!memory)
    std::abort();
  return static_cast<T *>(memory);
}

// The bindings do not free what is empty.
static Text copy(std::string_view text) {
  if (text.empty())
    return {};
  Text given{allocate<std::uint8_t>(text.size()), text.size()};
  std::memcpy(given.ptr, text.data(), text.size());
  return given;
}

template <typename List, typename Item> static List give_all(const std::vector<Item> &all) {
  List given{};
  if (all.empty())
    return given;
  given.ptr = allocate<std::remove_pointer_t<decltype(given.ptr)>>(all.size());
  for (const Item &item : all)
    given.ptr[given.len++] = give(item);
  return given;
}

static nephoscope_meter_types_meter_t give(const Meter &meter) {
  return {
      .name = copy(meter.name),
      .kind = static_cast<nephoscope_meter_types_kind_t>(meter.kind),
      .unit = copy(meter.unit),
      .description = copy(meter.description),
  };
}

static nephoscope_meter_types_volume_t give(const Volume &volume) {
  using Given = nephoscope_meter_types_volume_t;
  return std::visit(
      Match{
          [](std::uint64_t count) {
            return Given{NEPHOSCOPE_METER_TYPES_VOLUME_COUNT, {.count = count}};
          },
          [](std::int64_t number) {
            return Given{NEPHOSCOPE_METER_TYPES_VOLUME_SIGNED, {.signed_ = number}};
          },
          [](double number) { return Given{NEPHOSCOPE_METER_TYPES_VOLUME_REAL, {.real = number}}; },
      },
      volume);
}

static nephoscope_meter_types_value_t give(const Value &value) {
  using Given = nephoscope_meter_types_value_t;
  return std::visit(
      Match{
          [](std::monostate) { return Given{NEPHOSCOPE_METER_TYPES_VALUE_NULL, {}}; },
          [](const std::string &text) {
            return Given{NEPHOSCOPE_METER_TYPES_VALUE_TEXT, {.text = copy(text)}};
          },
          [](std::int64_t number) {
            return Given{NEPHOSCOPE_METER_TYPES_VALUE_INTEGER, {.integer = number}};
          },
          [](double number) { return Given{NEPHOSCOPE_METER_TYPES_VALUE_REAL, {.real = number}}; },
          [](bool flag) { return Given{NEPHOSCOPE_METER_TYPES_VALUE_FLAG, {.flag = flag}}; },
      },
      value);
}

static nephoscope_meter_types_tuple2_string_value_t give(const Metadatum &metadatum) {
  return {.f0 = copy(metadatum.key), .f1 = give(metadatum.value)};
}

static nephoscope_meter_types_sample_t give(const Sample &sample) {
  using Metadata = decltype(nephoscope_meter_types_sample_t::metadata);
  return {
      .meter = copy(sample.meter),
      .volume = give(sample.volume),
      .resource_id = {sample.resource_id.has_value(), copy(sample.resource_id.value_or(""))},
      .metadata = give_all<Metadata>(sample.metadata),
  };
}

static nephoscope_meter_types_error_t give(const Error &error) {
  nephoscope_meter_types_error_t given{static_cast<std::uint8_t>(error.why), {}};
  if (error.why == Error::Case::permanent)
    given.val.permanent = copy(error.text);
  if (error.why == Error::Case::failed)
    given.val.failed = copy(error.text);
  return given;
}

Error take_error(nephoscope_meter_types_error_t &error) {
  Error taken{static_cast<Error::Case>(error.tag)};
  if (taken.why == Error::Case::permanent)
    taken.text = view(error.val.permanent);
  if (taken.why == Error::Case::failed)
    taken.text = view(error.val.failed);
  nephoscope_meter_types_error_free(&error);
  return taken;
}

} // namespace nephoscope

void exports_nephoscope_meter_pollster_meters(exports_nephoscope_meter_pollster_list_meter_t *ret) {
  *ret = nephoscope::give_all<exports_nephoscope_meter_pollster_list_meter_t>(nephoscope::meters());
}

bool exports_nephoscope_meter_pollster_poll(exports_nephoscope_meter_pollster_list_sample_t *ret,
                                            exports_nephoscope_meter_pollster_error_t *err) {
  auto samples = nephoscope::poll();
  if (!samples) {
    *err = nephoscope::give(samples.error());
    return false;
  }
  *ret = nephoscope::give_all<exports_nephoscope_meter_pollster_list_sample_t>(*samples);
  return true;
}
