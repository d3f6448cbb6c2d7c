// mem.max: the maximum memory of an instance, in MiB.

#include "nephoscope.hpp"

namespace {
constexpr std::string_view meter_name = "mem.max";
constexpr double bytes_per_mib = 1024.0 * 1024.0;
} // namespace

std::vector<nephoscope::Meter> nephoscope::meters() {
  return {{meter_name, Kind::gauge, "MiB", "Maximum memory of the instance"}};
}

nephoscope::Result<std::vector<nephoscope::Sample>> nephoscope::poll() {
  // A reading that is missing is the runtime's to judge: its error is handed on as it is.
  auto memory = read(nephoscope_meter_memory_inspect);
  if (!memory)
    return std::unexpected(memory.error());
  // A double, so that a maximum of whole KiB keeps its fraction of a MiB.
  double mib = static_cast<double>((*memory)->maximum) / bytes_per_mib;
  return std::vector{Sample{.meter = meter_name, .volume = mib}};
}
