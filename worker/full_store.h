// A blob store whose want of room is nobody's fault.
#pragma once

#include <memory>

#include "quant/artifact/blob_store.h"
#include "worker/metrics.h"

namespace sub1quant {

// `blobs` with its ResourceExhausted answers (no room on the disk, no more open files, here or at the server) turned
// into Unavailable: what a task is given back with, uncharged. The begin and the end of a shortage of room are logged
// and counted. `metrics` outlives the store.
std::unique_ptr<BlobStore> NewFullStoreGuard(std::unique_ptr<BlobStore> blobs, WorkerMetrics& metrics);

}  // namespace sub1quant
