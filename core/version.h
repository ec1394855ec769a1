// What --version, reports and metrics say of this build.
#pragma once

#include <string>

namespace sub1quant {

std::string Version();  // "0.1.0"
std::string Commit();   // abbreviated git commit, "unknown" outside a checkout
// "sub1quant 0.1.0 (commit abc, features: none, instruction set: avx512)"; the last part only of programs that encode,
// which pass the name of the implementation that this CPU gets.
std::string VersionLine(const std::string& program, const std::string& instruction_set = "");

}  // namespace sub1quant
