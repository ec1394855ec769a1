// Dense export: a Hugging Face model directory whose quantized matrices are replaced by their reconstruction (float32
// decode rounded to the tensor's own dtype), everything else byte for byte the model's. transformers loads it as the
// original.
#pragma once

#include <string>

#include "quant/artifact/manifest.h"
#include "quant/model/model_source.h"

namespace sub1quant {

// `directory` is created; must be absent or empty. Nothing is left behind on failure.
absl::Status ExportDense(const Manifest& manifest, BlobStore& blobs, ModelSource& model, const std::string& directory);

// Float32 values rounded to nearest even into `dtype` (kBF16, kF16, kF32), `count` elements.
void RoundToDType(const float* values, int64_t count, DType dtype, void* out);

}  // namespace sub1quant
