// Named places where a test can make the process fail. Compiled in only with SUB1QUANT_FAILPOINTS (preset `test`):
// SUB1QUANT_FAILPOINT=name=action[,name=action…], action one of
//   error   the place returns Unavailable("failpoint NAME")
//   kill    the process ends at once with SIGKILL
//   hang    the thread stays there for good
// A count may follow: `pack.before_rename=kill@3` acts at the third passage. With SUB1QUANT_FAILPOINT_MARK=FILE a place
// acts only if it can create FILE: once, however many processes inherit the environment or are started again.
#pragma once

#include "absl/status/status.h"

namespace sub1quant {

#ifdef SUB1QUANT_FAILPOINTS
absl::Status Failpoint(const char* name);
#else
inline absl::Status Failpoint(const char*) { return absl::OkStatus(); }
#endif

}  // namespace sub1quant
