// Whether a result answers its task: the kind, the methods, the windows, the blob. A worker is not trusted to have
// understood.
#pragma once

#include "absl/status/status.h"
#include "quant/artifact/blob_store.h"
#include "quant/plan/tasks.h"

namespace sub1quant {

absl::Status CheckResult(const Task& task, const TaskResult& result, BlobStore& blobs);

}  // namespace sub1quant
