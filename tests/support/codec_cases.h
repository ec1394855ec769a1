// The cases of codec-golden, for the tests of codecs and search.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "quant/codec/codec.h"
#include "tests/support/golden.h"

namespace sub1quant::golden {

struct CodecData {
  nlohmann::json json = ReadJson("codec-golden/codec.json");
  SafetensorsFile bf16{"codec-golden/codec-bf16.safetensors"};
  SafetensorsFile f16{"codec-golden/codec-f16.safetensors"};
  SafetensorsFile f32{"codec-golden/codec-f32.safetensors"};

  const SafetensorsFile& FileOf(const nlohmann::json& entry) const {
    const std::string name = entry.at("file");
    return name == "codec-bf16.safetensors" ? bf16 : name == "codec-f16.safetensors" ? f16 : f32;
  }
  MatrixView InputOf(const nlohmann::json& entry) const {
    const Tensor& tensor = FileOf(entry).at(entry.at("name"));
    return {tensor.data, tensor.dtype, tensor.shape.at(0), tensor.shape.at(1)};
  }
};

inline const CodecData& Codecs() {
  static const CodecData data;
  return data;
}

// Group sizes that CheckGroupSize refuses are optional in the golden data.
inline bool IsSkipped(const nlohmann::json& entry) { return entry.contains("optional"); }

}  // namespace sub1quant::golden
