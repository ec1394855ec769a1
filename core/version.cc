#include "core/version.h"

namespace sub1quant {

std::string Version() { return SUB1QUANT_VERSION; }
std::string Commit() { return SUB1QUANT_COMMIT; }

std::string VersionLine(const std::string& program, const std::string& instruction_set) {
  std::string line = program + " " + Version() + " (commit " + Commit() + ", features: none";
  if (!instruction_set.empty()) line += ", instruction set: " + instruction_set;
  return line + ")";
}

}  // namespace sub1quant
