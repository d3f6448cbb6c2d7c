// vcpu.wait: how long each processor of an instance waited for the host since the last sample.

#include "history.hpp"
#include "nephoscope.hpp"

#include <limits>

using namespace nephoscope;

namespace {

constexpr std::string_view meter_name = "vcpu.wait";
constexpr std::string_view state_key = "wait";

// The setting `delay`: whether the time counts too in which a processor was ready and not run.
Result<bool> with_delay() {
  std::string setting = find(nephoscope_meter_settings_get, "delay").value_or("false");
  if (setting == "true" || setting == "false")
    return setting == "true";
  return std::unexpected(Error{Error::Case::permanent, "the setting delay is true or false"});
}

// The nanoseconds that a processor waited; none where a part of them is missing, or where their sum
// has no place.
std::optional<std::uint64_t> waited(const nephoscope_meter_cpu_vcpu_t &vcpu, bool with_delay) {
  auto wait = maybe(vcpu.wait), delay = maybe(vcpu.delay);
  if (!with_delay || !wait)
    return wait;
  if (!delay || *delay > std::numeric_limits<std::uint64_t>::max() - *wait)
    return std::nullopt;
  return *wait + *delay;
}

Sample sample(const std::string &id, const nephoscope_meter_cpu_vcpu_t &vcpu, std::uint64_t delta) {
  return {
      .meter = meter_name,
      .volume = delta,
      .resource_id = id + "-vcpu-" + std::to_string(vcpu.number),
      .metadata = {{"vcpu_number", std::int64_t{vcpu.number}}},
  };
}

} // namespace

std::vector<Meter> nephoscope::meters() {
  return {{meter_name, Kind::delta, "ns",
           "Time that a processor waited for the host's scheduler since the last sample"}};
}

Result<std::vector<Sample>> nephoscope::poll() {
  auto delay = with_delay();
  if (!delay)
    return std::unexpected(delay.error());
  // A reading that is missing is the runtime's to judge: its error is handed on as it is.
  auto cpu = read<nephoscope_meter_cpu_stats_free>(nephoscope_meter_cpu_inspect);
  if (!cpu)
    return std::unexpected(cpu.error());

  std::string id = text(nephoscope_meter_instance_id);
  std::string stored = find(nephoscope_meter_state_get, state_key).value_or("");
  History history(*delay ? 'd' : 'w', stored);
  std::vector<Sample> samples;
  for (const auto &vcpu : items((*cpu)->vcpus)) {
    auto before = history.before(vcpu.number), now = waited(vcpu, *delay);
    // A counter that went back began anew, and what it lost nobody knows: no delta.
    if (before && now && *now >= *before)
      samples.push_back(sample(id, vcpu, *now - *before));
    // Missing once: the next delta counts from the last reading that there was.
    if (auto last = now ? now : before)
      history.record(vcpu.number, *last);
  }
  if (!store(nephoscope_meter_state_set, state_key, history.bytes())) {
    // Beyond the quota. What is stored is older than this poll: counted from there, the next delta
    // would hold time twice.
    store(nephoscope_meter_state_set, state_key, "");
    log(nephoscope_meter_log_write, NEPHOSCOPE_METER_LOG_LEVEL_WARN,
        "the limit of state_bytes is too small for all processors: no deltas");
  }
  return samples;
}
