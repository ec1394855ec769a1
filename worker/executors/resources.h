// What every executor works with.
#pragma once

#include <cstdint>

#include "core/clock.h"
#include "core/compute_threads.h"
#include "core/digest_pool.h"
#include "quant/artifact/blob_store.h"
#include "quant/device/matrix_coder.h"
#include "worker/executors/choice_cache.h"
#include "worker/executors/tensor_loader.h"
#include "worker/metrics.h"
#include "worker/models.h"

namespace sub1quant {

struct Resources {
  const Clock& clock;
  ModelAccess& models;
  BlobStore& blobs;
  WorkerMetrics& metrics;
  MatrixCoder& coder;
  // On which search and pack compute; scoring runs alone, on as many threads of its own.
  ComputeThreads& cpu;
  DigestPool& hashes;
  TensorLoader& tensors;
  ChoiceCache& choices;       // from search to pack
  uint64_t memory_bytes = 0;  // what scoring may take; 0: what the system says is available
};

}  // namespace sub1quant
