// Logs go to stderr, a line an event.
#pragma once

#include <string>

namespace sub1quant {

// `format` is text or json; `role` is server or worker; `name` (a worker's) stands in every JSON line.
void SetUpLogging(const std::string& format, const std::string& role, const std::string& name);

}  // namespace sub1quant
