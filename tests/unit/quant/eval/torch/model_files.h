// Model directories made by the tests.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "quant/eval/torch/scorer.h"
#include "quant/model/tensor.h"

namespace sub1quant {

// A fresh directory, removed with its contents at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct TestTensor {
  DType dtype = DType::kBF16;
  std::vector<int64_t> shape;
  std::string bytes;
};
struct TestModel {
  std::string config_json;
  std::map<std::string, TestTensor> tensors;
};

// config.json and all tensors of a model directory.
TestModel ReadTestModel(const std::string& directory);
void WriteTestModel(const TestModel& model, const std::string& directory);

// BF16 bytes of values that BF16 holds exactly.
std::string ToBf16Bytes(const std::vector<float>& values);

// The model of the specification's golden table (§8.1): 124 tensors made by a hash.
TestModel GoldenModel();

std::unique_ptr<Scorer> LoadScorer(const std::string& directory, const ScorerOptions& options = {});
std::unique_ptr<Scorer> LoadScorer(const TestModel& model, const ScorerOptions& options = {});

// The status of loading `model`; OK if it loads.
absl::Status LoadStatus(const TestModel& model, const ScorerOptions& options = {});

// One named value of a trace. Fails the test if it is not there.
std::vector<float> TraceRow(const Scorer::Trace& trace, const std::string& name);

// tests/testdata/gemma4-tiny and the ids of its two golden windows (0..511 and 512..1023 of the canonical text).
std::string TinyModelDirectory();
std::vector<int32_t> TinyTokens();

// float32 or int32 values of a tensor of the golden activations.safetensors.
std::vector<float> GoldenFloats(const std::string& key);
std::vector<int32_t> GoldenInts(const std::string& key);

}  // namespace sub1quant
