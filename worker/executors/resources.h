// What every executor works with.
#pragma once

#include "core/clock.h"
#include "quant/artifact/blob_store.h"
#include "quant/device/matrix_coder.h"
#include "worker/metrics.h"
#include "worker/models.h"

namespace sub1quant {

struct Resources {
  const Clock& clock;
  ModelAccess& models;
  BlobStore& blobs;
  WorkerMetrics& metrics;
  MatrixCoder& coder;
  int threads = 1;
};

}  // namespace sub1quant
