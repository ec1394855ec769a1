// Random weights that look like a trained matrix to a quantizer: normal, with row and column scales of their own, a few
// loud columns and single outliers. A row depends only on seed, key and row number.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sub1quant {

class SyntheticWeights {
 public:
  explicit SyntheticWeights(uint64_t seed);

  // One tensor's generator. Thread-safe.
  class Tensor {
   public:
    // BF16 values of row `row` to out[0, cols).
    void FillRow(int64_t row, uint16_t* out) const;

   private:
    friend class SyntheticWeights;
    const std::vector<float>* normal_ = nullptr;
    uint64_t seed_ = 0;
    std::vector<float> column_scale_;  // the standard deviation is part of it
  };

  // Standard deviation around 1/√cols, so that a product with inputs of variance 1 has variance about 1.
  Tensor Matrix(const std::string& key, int64_t cols) const;
  // Norm weights near 1; layer scalars too.
  std::vector<uint16_t> Gains(const std::string& key, int64_t count) const;

 private:
  uint64_t TensorSeed(const std::string& key) const;

  uint64_t seed_;
  std::vector<float> normal_;  // quantiles of the normal distribution at (i + 1/2) / 65536
};

}  // namespace sub1quant
