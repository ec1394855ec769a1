// What --version, reports and metrics say of this build.
#pragma once

#include <string>

namespace sub1quant {

std::string Version();         // "0.1.0"
std::string Commit();          // abbreviated git commit, "unknown" outside a checkout
std::string InstructionSet();  // of the encoders in use: "scalar"
// "sub1quant 0.1.0 (commit abc, features: none, instruction set: scalar)"
std::string VersionLine(const std::string& program);

}  // namespace sub1quant
