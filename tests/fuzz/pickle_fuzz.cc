// Input: the data.pkl of a .pt checkpoint. What is accepted gives a manifest that can be written.
#include <cstdint>
#include <string>

#include "core/check.h"
#include "quant/artifact/pickle_reader.h"
#include "quant/artifact/pt_header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto root = sub1quant::ReadPickle(std::string(reinterpret_cast<const char*>(data), size));
  if (!root.ok()) return 0;
  const auto header = sub1quant::ReadPtHeader(**root);
  if (!header.ok()) return 0;
  SUB1QUANT_CHECK(!header->manifest.tensors.empty());
  SUB1QUANT_CHECK(header->entries.size() == header->manifest.tensors.size());
  SUB1QUANT_CHECK(!ManifestToJson(header->manifest).empty());
  return 0;
}
