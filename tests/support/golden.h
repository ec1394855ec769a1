// Reads golden data: a safetensors file and JSON, with no code of this project in between.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "quant/model/tensor.h"

namespace sub1quant::golden {

inline std::string Path(const std::string& name) { return std::string(SUB1QUANT_TESTDATA) + "/" + name; }

inline std::string ReadBytes(const std::string& name) {
  std::ifstream in(Path(name), std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + Path(name));
  return {std::istreambuf_iterator<char>(in), {}};
}

inline nlohmann::json ReadJson(const std::string& name) { return nlohmann::json::parse(ReadBytes(name)); }

struct Tensor {
  DType dtype = DType::kUnknown;
  std::vector<int64_t> shape;
  const uint8_t* data = nullptr;  // inside the file that it came from
  size_t size = 0;
  std::vector<uint8_t> bytes() const { return {data, data + size}; }
};

inline DType DTypeOf(const std::string& name) {
  if (name == "BF16") return DType::kBF16;
  if (name == "F16") return DType::kF16;
  if (name == "F32") return DType::kF32;
  if (name == "U8") return DType::kU8;
  return DType::kUnknown;
}

class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& name) : bytes_(ReadBytes(name)) {
    uint64_t header_size = 0;
    std::memcpy(&header_size, bytes_.data(), sizeof(header_size));
    const auto header = nlohmann::json::parse(bytes_.substr(8, header_size));
    for (const auto& [key, value] : header.items()) {
      if (key == "__metadata__") continue;
      const auto offsets = value.at("data_offsets").get<std::vector<uint64_t>>();
      Tensor tensor;
      tensor.dtype = DTypeOf(value.at("dtype"));
      tensor.shape = value.at("shape").get<std::vector<int64_t>>();
      tensor.data = reinterpret_cast<const uint8_t*>(bytes_.data()) + 8 + header_size + offsets.at(0);
      tensor.size = offsets.at(1) - offsets.at(0);
      tensors_[key] = tensor;
    }
  }
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const Tensor& at(const std::string& key) const { return tensors_.at(key); }
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }

 private:
  std::string bytes_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace sub1quant::golden
