// What makes two tasks the same work (docs/protocol.md): never the job, the user or the time.
#pragma once

#include <string>

#include "quant/plan/tasks.h"

namespace sub1quant {

// SHA-256 over the length-prefixed fields of operation, inputs and versions.
std::string ActionKeyOf(const Task& task);

}  // namespace sub1quant
