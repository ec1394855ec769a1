#include "core/version.h"

namespace sub1quant {

std::string Version() { return SUB1QUANT_VERSION; }
std::string Commit() { return SUB1QUANT_COMMIT; }
std::string InstructionSet() { return "scalar"; }

std::string VersionLine(const std::string& program) {
  return program + " " + Version() + " (commit " + Commit() + ", features: none, instruction set: " + InstructionSet() +
         ")";
}

}  // namespace sub1quant
